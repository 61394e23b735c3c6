"""TLS upstreams: verified, told apart when not, resumed, and cut ones never taken for whole."""

import ssl
import struct
from pathlib import Path

import pytest
import trio

from omniroute.domain import Connection, Secret, Timeouts, TlsProfile
from omniroute.errors import UpstreamError
from omniroute.upstream import Address, UpstreamOptions
from omniroute.upstream.tls import TlsContexts, TlsProfileError, client_context
from tests.fakes.certificates import Authority, Pair, available
from tests.fakes.upstream import OK, Talk, scripted
from tests.upstream.rig import Rig, connection, running

pytestmark = pytest.mark.skipif(not available(), reason="needs the openssl binary to make certificates")


class Certificates:
    def __init__(self, folder: Path) -> None:
        self.ours = Authority(folder, "ours")
        self.other = Authority(folder, "other")
        self.server = self.ours.issue("server", "DNS:localhost", "DNS:llm.test", "IP:127.0.0.1")
        self.stranger = self.ours.issue("stranger", "DNS:elsewhere.test")
        self.expired = self.ours.issue("expired", "IP:127.0.0.1", days=-1)
        self.client = self.ours.issue("client", "DNS:client.test")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def server_context(pair: Pair, *, client_ca: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)
    return context


async def serve(talk: Talk) -> None:
    await talk.serve()


def to(port: int, profile: TlsProfile, host: str = "127.0.0.1") -> Connection:
    return connection(f"https://{host}:{port}", tls=profile, timeouts=Timeouts(connect_s=5, first_byte_s=5))


async def failure(rig: Rig, target: Connection) -> UpstreamError:
    with trio.fail_after(5), pytest.raises(UpstreamError) as caught:
        await rig.call(target)
    assert rig.statistics().in_use == 0
    assert "BEGIN" not in caught.value.message
    return caught.value


async def test_a_verified_upstream_is_called_again_over_the_same_wire(certificates: Certificates) -> None:
    chosen: list[object] = []

    async def script(talk: Talk) -> None:
        await talk.request()
        assert isinstance(talk.stream, trio.SSLStream)
        chosen.append((talk.stream.selected_alpn_protocol(), talk.stream.version()))
        await talk.send(OK)
        await talk.serve()

    async with scripted(script, tls=server_context(certificates.server)) as peer, running() as rig:
        target = to(peer.port, TlsProfile(ca_pem=certificates.ours.pem()))
        for number in range(3):
            with await rig.call(target) as exchange:
                assert exchange.reused == (number > 0)
                assert await exchange.source.read_body(10, 0.0) == b"ok"
        assert len(peer.talks) == 1
        assert chosen == [("http/1.1", "TLSv1.3")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_resumed(certificates: Certificates, version: ssl.TLSVersion) -> None:
    resumed: list[bool] = []

    async def script(talk: Talk) -> None:
        await talk.request()
        assert isinstance(talk.stream, trio.SSLStream)
        resumed.append(talk.stream.session_reused)
        await talk.send(OK)
        await talk.serve()

    context = server_context(certificates.server)
    context.maximum_version = version
    async with scripted(script, tls=context) as peer, running(UpstreamOptions(idle_s=0.01)) as rig:
        target = to(peer.port, TlsProfile(ca_pem=certificates.ours.pem()))
        await rig.fetch(target)
        await trio.sleep(0.02)  # the wire is too old now
        await rig.fetch(target)
        assert resumed == [False, True]


@pytest.mark.parametrize(
    ("served", "trusted", "advice"),
    [
        ("server", "other", "tls.ca_pem"),
        ("server", "", "tls.ca_pem"),
        ("expired", "ours", "expired"),
        ("stranger", "ours", "tls.server_name"),
    ],
)
async def test_what_cannot_be_verified_is_refused_with_advice(
    certificates: Certificates, served: str, trusted: str, advice: str
) -> None:
    pair: Pair = getattr(certificates, served)
    pem = getattr(certificates, trusted).pem() if trusted else ""
    async with scripted(serve, tls=server_context(pair)) as peer, running() as rig:
        error = await failure(rig, to(peer.port, TlsProfile(ca_pem=pem)))
        assert (error.error_class, error.scope, error.answered) == ("tls", "provider", False)
        assert advice in error.message
        assert peer.talks[0].requests == []


async def test_the_name_is_checked_and_can_be_overridden(certificates: Certificates) -> None:
    ca_pem = certificates.ours.pem()
    lookup = lambda _: [Address(2, "127.0.0.1")]  # noqa: E731
    async with scripted(serve, tls=server_context(certificates.server)) as peer, running(lookup=lookup) as rig:
        assert await rig.fetch(to(peer.port, TlsProfile(ca_pem=ca_pem), "llm.test")) == b"ok"
        assert (await failure(rig, to(peer.port, TlsProfile(ca_pem=ca_pem), "other.test"))).error_class == "tls"
        profile = TlsProfile(ca_pem=ca_pem, server_name="llm.test")
        assert await rig.fetch(to(peer.port, profile, "other.test")) == b"ok"


async def test_a_client_certificate_is_presented(certificates: Certificates) -> None:
    ca_pem = certificates.ours.pem()
    pair = certificates.client
    context = server_context(certificates.server, client_ca=ca_pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # refuses within the handshake, not after it
    async with scripted(serve, tls=context) as peer, running() as rig:
        profile = TlsProfile(
            ca_pem=ca_pem,
            client_cert_pem=pair.certificate.read_text(),
            client_key_pem=Secret(pair.key.read_text()),
        )
        assert await rig.fetch(to(peer.port, profile)) == b"ok"
        assert (await failure(rig, to(peer.port, TlsProfile(ca_pem=ca_pem)))).error_class == "tls"


async def test_an_old_protocol_is_refused(certificates: Certificates) -> None:
    context = server_context(certificates.server)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with scripted(serve, tls=context) as peer, running() as rig:
        error = await failure(rig, to(peer.port, TlsProfile(ca_pem=certificates.ours.pem())))
        assert error.error_class == "tls"


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain HTTP", "closes"])
async def test_a_port_that_does_not_speak_tls_is_told(certificates: Certificates, reply: bytes) -> None:
    async def plain(talk: Talk) -> None:
        await talk.stream.receive_some()
        await talk.send(reply)

    async with scripted(plain) as peer, running() as rig:
        error = await failure(rig, to(peer.port, TlsProfile(ca_pem=certificates.ours.pem())))
        assert error.error_class == "tls"
        assert "TLS port" in error.message


async def test_a_handshake_that_stalls_times_out_and_can_be_cancelled(certificates: Certificates) -> None:
    async def stall(talk: Talk) -> None:
        await talk.gone()

    async with scripted(stall) as peer, running() as rig:
        target = connection(
            f"https://127.0.0.1:{peer.port}",
            tls=TlsProfile(ca_pem=certificates.ours.pem()),
            timeouts=Timeouts(connect_s=0.1),
        )
        error = await failure(rig, target)
        assert error.error_class == "timeout_connect"
        assert "TLS handshake" in error.message
        with trio.move_on_after(0.02) as scope:
            await rig.call(target)
        assert scope.cancelled_caught
        assert rig.relay.links() == 0


async def test_a_connection_cut_without_close_notify_is_an_error(certificates: Certificates) -> None:
    async def cut(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        assert isinstance(talk.stream, trio.SSLStream)
        talk.stream.transport_stream.socket.setsockopt(1, 13, struct.pack("ii", 0, 0))
        await talk.stream.transport_stream.send_eof()
        await talk.gone()

    async with scripted(cut, tls=server_context(certificates.server)) as peer, running() as rig:
        target = to(peer.port, TlsProfile(ca_pem=certificates.ours.pem()))
        with trio.fail_after(5), pytest.raises(Exception, match=r"reset|truncated"):
            await rig.fetch(target)
        assert rig.relay.links() == 0


@pytest.mark.parametrize(
    "profile",
    [
        TlsProfile(ca_pem="-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"),
        TlsProfile(ca_pem="hunter2"),
        TlsProfile(client_cert_pem="hunter2", client_key_pem=Secret("hunter2")),
    ],
)
async def test_unusable_pem_names_its_field_and_not_its_content(profile: TlsProfile) -> None:
    with pytest.raises(TlsProfileError, match=r"^tls\.") as caught:
        client_context(profile)
    assert "hunter2" not in str(caught.value)
    async with scripted(serve) as peer, running() as rig:
        error = await failure(rig, to(peer.port, profile))
        assert error.error_class == "tls"
        assert "hunter2" not in error.message


async def test_contexts_are_shared_by_profile_and_bounded(certificates: Certificates) -> None:
    contexts = TlsContexts(max_contexts=2)
    profiles = [TlsProfile(ca_pem=certificates.ours.pem(), server_name=f"h{n}") for n in range(3)]
    first, second = await contexts.get(profiles[0]), await contexts.get(profiles[1])
    assert first.minimum_version == ssl.TLSVersion.TLSv1_2
    assert first.verify_mode == ssl.CERT_REQUIRED
    assert first.check_hostname
    assert await contexts.get(profiles[0]) is first
    await contexts.get(profiles[2])  # the second was used longest ago
    assert await contexts.get(profiles[0]) is first
    assert await contexts.get(profiles[1]) is not second
