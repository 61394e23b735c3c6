from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from omniroute.admin.probe import ProbeResult, probe
from omniroute.domain import Connection, Secret, TlsProfile
from omniroute.storage.connections import StoredConnection
from omniroute.upstream import Address
from tests.admin.upstream import http, provider

KEY = "sk-very-secret"
CHAT = b'{"choices": [{"message": {"content": "p"}}]}'
BASE = Connection(
    "con_1",
    "main",
    "openai",
    "",
    Secret(KEY),
    models=("gpt-x",),
    headers=(("x-org", "org-secret"),),
    allow_private=True,
)


def stored(base_url: str, **fields: object) -> StoredConnection:
    connection = msgspec.structs.replace(BASE, base_url=base_url, **fields)
    return StoredConnection(connection, active=True, created_epoch_s=0, updated_epoch_s=0)


async def ask(answer: bytes, model: str = "", **fields: object) -> ProbeResult:
    async with provider(answer) as serving:
        return await probe(stored(serving.base_url, **fields), model)


async def test_a_good_connection_is_asked_for_one_token_of_its_first_model() -> None:
    async with provider(http(200, CHAT)) as serving:
        result = await probe(stored(serving.base_url))
    assert (result.ok, result.stage, result.status, result.model) == (True, "done", 200, "gpt-x")
    assert serving.heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"authorization: Bearer {KEY}".encode() in serving.heads[0].lower().replace(b"bearer", b"Bearer")
    assert f"host: 127.0.0.1:{serving.port}".encode() in serving.heads[0].lower()
    assert b"x-org: org-secret" in serving.heads[0].lower()
    question = msgspec.json.decode(serving.bodies[0])
    assert (question["model"], question["max_tokens"]) == ("gpt-x", 1)


async def test_without_a_model_the_list_is_asked_for() -> None:
    async with provider(http(200, b'{"data": []}')) as serving:
        result = await probe(stored(serving.base_url, models=()))
    assert result.ok
    assert serving.heads[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


async def test_a_model_can_be_chosen() -> None:
    async with provider(http(200, CHAT)) as serving:
        result = await probe(stored(serving.base_url), "gpt-y")
    assert result.model == "gpt-y"
    assert b'"gpt-y"' in serving.bodies[0]


@pytest.mark.parametrize(
    ("answer", "stage", "words"),
    [
        (http(401, b'{"error": {"message": "Incorrect API key: sk-very-secret"}}'), "auth", "Incorrect API key: ***"),
        (http(403, b'{"error": "forbidden"}'), "auth", "forbidden"),
        (http(402, b"{}"), "auth", "no credit"),
        (http(404, b'{"error": {"message": "The model gpt-x does not exist"}}'), "model", "gpt-x"),
        (http(400, b'{"error": {"message": "GPT-X is retired"}}'), "model", "retired"),
        (http(404, b"<html>not here</html>"), "base_url", "is the /v1 missing"),
        (http(301, b"", b"location: https://elsewhere.example"), "base_url", "nothing is at"),
        (http(200, b"<html>a login page</html>"), "base_url", "not as an API that speaks openai_chat"),
        (http(200, b"[1]"), "base_url", "not as an API that speaks openai_chat"),
        (http(429, b'{"error": {"message": "slow down"}}'), "rate", "slow down"),
        (http(500, b"\xff\xfe oops\x00\r\n"), "upstream", "500"),
        (http(503, b"org-secret is down"), "upstream", "*** is down"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", "upstream", "does not answer in HTTP/1.1"),
        (b"", "upstream", "does not answer in HTTP/1.1"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "upstream", "does not answer in HTTP/1.1"),
    ],
)
async def test_what_an_answer_says_is_wrong(answer: bytes, stage: str, words: str) -> None:
    result = await ask(answer)
    assert (result.ok, result.stage) == (False, stage)
    assert words in result.message
    assert KEY not in msgspec.json.encode(result).decode()
    assert "org-secret" not in msgspec.json.encode(result).decode()


async def test_an_endless_answer_is_cut_off() -> None:
    result = await ask(http(200, b"x" * (1024 * 1024 + 1)))
    assert (result.ok, result.stage) == (False, "upstream")
    assert "longer than" in result.message


async def test_a_name_that_leads_nowhere() -> None:
    def lookup(host: str) -> list[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    result = await probe(stored("https://api.nowhere.example/v1"), lookup=lookup)
    assert (result.stage, result.status) == ("dns", 0)
    assert "api.nowhere.example cannot be resolved: Name or service not known" in result.message


async def test_a_port_nobody_listens_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = await probe(stored(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert result.stage == "tcp"
    assert "refused" in result.message.lower()


async def test_a_public_name_that_leads_inside_is_not_followed() -> None:
    async with provider(http(200, CHAT)) as serving:
        result = await probe(
            stored(f"http://rebound.example:{serving.port}", allow_private=False),
            lookup=lambda _host: [Address(socket.AF_INET, "127.0.0.1")],
        )
    assert result.stage == "egress"
    assert "allow_private" in result.message
    assert serving.heads == []


async def test_the_address_that_was_checked_is_the_one_called() -> None:
    """The name is looked up once: a second answer could lead elsewhere."""
    looked_up: list[str] = []

    def lookup(host: str) -> list[Address]:
        looked_up.append(host)
        return [Address(socket.AF_INET, "127.0.0.1")]

    async with provider(http(200, CHAT)) as serving:
        result = await probe(stored(f"http://only-here.example:{serving.port}/v1"), lookup=lookup)
    assert result.ok
    assert looked_up == ["only-here.example"]
    assert f"host: only-here.example:{serving.port}".encode() in serving.heads[0].lower()


async def test_a_server_without_tls() -> None:
    async with provider(http(200, CHAT)) as serving:
        result = await probe(stored(serving.base_url.replace("http:", "https:")))
    assert result.stage == "tls"
    assert "did not agree on TLS" in result.message


async def test_a_bad_ca_is_named_before_anything_is_sent() -> None:
    async with provider(http(200, CHAT)) as serving:
        result = await probe(stored(serving.base_url.replace("http:", "https:"), tls=TlsProfile(ca_pem="x")))
    assert result.stage == "tls"
    assert "ca_pem" in result.message
    assert serving.heads == []


async def test_a_secret_that_does_not_open_is_not_tried() -> None:
    problem = StoredConnection(BASE, active=True, created_epoch_s=0, updated_epoch_s=0, problem="does not open")
    result = await probe(problem)
    assert (result.stage, result.message) == ("credential", "does not open")


async def test_a_proxy_that_refuses() -> None:
    async with provider(http(407, b"")) as proxy:
        url = f"http://user:proxy-word@127.0.0.1:{proxy.port}"
        result = await probe(stored("http://api.example.com/v1", proxy=Secret(url)))
    assert result.stage == "proxy"
    assert "other credentials (407)" in result.message
    assert "proxy-word" not in result.message
    assert proxy.heads[0].startswith(b"CONNECT api.example.com:80 HTTP/1.1\r\n")


async def test_a_call_through_a_proxy() -> None:
    async def tunnel(stream: trio.SocketStream) -> None:
        assert (await stream.receive_some(65536)).startswith(b"CONNECT api.example.com:80 ")
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        assert (await stream.receive_some(65536)).startswith(b"POST /v1/chat/completions ")
        await stream.send_all(http(200, CHAT))
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, tunnel, 0, host="127.0.0.1"))
        proxy = Secret(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")
        result = await probe(stored("http://api.example.com/v1", proxy=proxy))
        nursery.cancel_scope.cancel()
    assert result.ok


async def test_a_proxy_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = Secret(f"socks5://127.0.0.1:{unused.getsockname()[1]}")
        result = await probe(stored("http://api.example.com/v1", proxy=proxy))
    assert result.stage == "proxy"


async def test_a_silent_provider_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    monkeypatch.setattr("omniroute.admin.probe.PROBE_S", 0.05)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        result = await probe(stored(f"http://127.0.0.1:{listener.socket.getsockname()[1]}"))
        nursery.cancel_scope.cancel()
    assert (result.stage, result.status) == ("timeout", 0)


async def test_a_step_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.admin.one_call.STEP_S", 0.05)
    hang = threading.Event()

    def lookup(_host: str) -> list[Address]:
        hang.wait(5)
        return []

    result = await probe(stored("https://api.slow.example/v1"), lookup=lookup)
    hang.set()
    assert result.stage == "dns"
    assert "looking up api.slow.example took longer" in result.message


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to make a certificate")
async def test_certificates_are_judged(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=inner.example"
    make += f" -addext subjectAltName=DNS:inner.example -keyout {key} -out {cert}"
    await trio.run_process(make.split(), capture_stderr=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with contextlib.suppress(trio.BrokenResourceError):  # clients that do not trust us hang up
            assert b"gpt-x" in await stream.receive_some(65536) + await stream.receive_some(65536)
            await stream.send_all(http(200, CHAT))
            await stream.aclose()

    def lookup(_host: str) -> list[Address]:
        return [Address(socket.AF_INET, "127.0.0.1")]

    trusting = TlsProfile(ca_pem=cert.read_text())
    async with trio.open_nursery() as nursery:
        start = partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1", https_compatible=True)
        (listener,) = await nursery.start(start)
        port = listener.transport_listener.socket.getsockname()[1]
        good = await probe(stored(f"https://inner.example:{port}", tls=trusting), lookup=lookup)
        unknown = await probe(stored(f"https://inner.example:{port}"), lookup=lookup)
        other = await probe(stored(f"https://other.example:{port}", tls=trusting), lookup=lookup)
        renamed = msgspec.structs.replace(trusting, server_name="inner.example")
        told = await probe(stored(f"https://other.example:{port}", tls=renamed), lookup=lookup)
        nursery.cancel_scope.cancel()
    assert good.ok
    assert told.ok
    assert (unknown.stage, unknown.message) == (
        "tls",
        "the certificate of inner.example is not good: self-signed certificate",
    )
    assert other.stage == "tls"
    assert "Hostname mismatch" in other.message
