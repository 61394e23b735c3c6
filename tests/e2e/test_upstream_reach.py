"""The ways to an upstream that are not plain TCP, through the whole gateway, added as an operator adds them."""

from __future__ import annotations

import re
import ssl
import sys

import msgspec
import pytest
import trio

from tests.e2e import answers
from tests.e2e.caller import call, chat
from tests.e2e.standing import Standing
from tests.fakes.certificates import Authority, available
from tests.fakes.upstream import Talk, scripted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="no openssl binary to make certificates with"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "test-ca")


def server(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("upstream", "DNS:localhost", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def command(gateway: Standing, *args: str) -> dict[str, object]:
    """A command of the CLI, as a process; its JSON. Nobody types a secret on its command line, so it asks for none."""
    run = [sys.executable, "-m", "omniroute", *args, "--data-dir", str(gateway.data_dir), "--json"]
    done = await trio.run_process(run, capture_stdout=True, capture_stderr=True, check=False)
    return dict(msgspec.json.decode(done.stdout)) | {"status": done.returncode}


async def add(gateway: Standing, provider: str, url: str, *more: str) -> None:
    base = ("providers", "add", provider, "--base-url", url, "--key", "sk-upstream", "--model", "m", "--allow-private")
    assert (await command(gateway, *base, *more))["status"] == 0


async def test_tls_with_a_ca_of_one_s_own(gateway: Standing, authority: Authority) -> None:
    async with scripted(lambda talk: talk.serve(answers.stream()), tls=server(authority)) as peer:
        url = peer.url("https", "localhost")
        await add(gateway, "tls", url, "--ca", str(authority.pair.certificate))
        for _ in range(2):
            answer = await call(gateway, chat("tls/m"))
            assert (answer.status, answer.body) == (200, answers.SHOWN)
        assert [len(talk.requests) for talk in peer.talks] == [2], "the wire is kept, TLS or not"

        await add(gateway, "tls-unknown", url)
        refused = await call(gateway, chat("tls-unknown/m"))
    assert (refused.status, refused.error["code"]) == (502, "bad_gateway")
    assert "tls.ca_pem" in str(refused.error["message"])
    (row,) = await gateway.rows(request_id=refused.headers["x-request-id"])
    assert (row.outcome, row.error_class) == ("upstream_error", "tls")


async def test_tls_streams_break_like_others(gateway: Standing, authority: Authority) -> None:
    async def cut(talk: Talk) -> None:
        await talk.request()
        await talk.send(answers.STREAM_HEAD + answers.chunked(answers.ROLE, answers.HELLO))
        talk.rst()

    async with scripted(cut, tls=server(authority)) as peer:
        await add(gateway, "tls-cut", peer.url("https", "localhost"), "--ca", str(authority.pair.certificate))
        answer = await call(gateway, chat("tls-cut/m"))
    assert answer.body.startswith(answers.ROLE + answers.HELLO)
    assert answer.in_band_error["code"] == "upstream_incomplete"


class ConnectProxy:
    """An HTTP proxy: one tunnel per connection, to wherever the client says, if the client knows the password."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def converse(self, talk: Talk) -> None:
        head = await talk.request()
        self.asked.append(head)
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        if not re.search(rb"(?im)^proxy-authorization: basic dXNlcjpwYXNz\r$", head):
            await talk.send(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
            return
        async with await trio.open_tcp_stream(host, int(port)) as onward:
            await talk.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            async with trio.open_nursery() as nursery:  # two directions; the end of one is the end of both
                nursery.start_soon(_pass_on, talk.stream, onward, nursery.cancel_scope)
                nursery.start_soon(_pass_on, onward, talk.stream, nursery.cancel_scope)


async def _pass_on(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, scope: trio.CancelScope) -> None:
    while data := await source.receive_some(65536):
        await sink.send_all(data)
    scope.cancel()


async def test_an_http_proxy(gateway: Standing, authority: Authority) -> None:
    proxy = ConnectProxy()
    async with (
        scripted(lambda talk: talk.serve(answers.stream()), tls=server(authority)) as peer,
        scripted(proxy.converse) as middle,
    ):
        url, ca = peer.url("https", "localhost"), str(authority.pair.certificate)
        await add(gateway, "proxied", url, "--ca", ca, "--proxy", f"http://user:pass@127.0.0.1:{middle.port}")
        answer = await call(gateway, chat("proxied/m"))
        assert (answer.status, answer.body) == (200, answers.SHOWN)
        assert [head.split(b"\r\n")[0] for head in proxy.asked] == [b"CONNECT localhost:%d HTTP/1.1" % peer.port]
        assert b"sk-upstream" not in b"".join(proxy.asked), "the proxy sees the tunnel alone"

        await add(gateway, "refused", url, "--ca", ca, "--proxy", f"http://user:wrong@127.0.0.1:{middle.port}")
        refused = await call(gateway, chat("refused/m"))
        assert len(peer.talks) == 1
    assert (refused.status, refused.error["code"]) == (502, "bad_gateway")
    assert "407" in str(refused.error["message"])
    assert "wrong" not in str(refused.error)
    (row,) = await gateway.rows(request_id=refused.headers["x-request-id"])
    assert row.error_class == "proxy"
