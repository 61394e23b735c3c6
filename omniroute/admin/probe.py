"""A test of one connection: one real, cheap call, and in words what is wrong if it does not work."""

from __future__ import annotations

import re
from typing import Final, NoReturn
from urllib.parse import urlsplit

import msgspec
import trio

from omniroute.admin.one_call import Answer, CallFailedError, Stage, call_once
from omniroute.domain import Connection
from omniroute.storage.connections import StoredConnection
from omniroute.translate import ChatRequest, Notes, Outgoing, Text, Turn, UpstreamSide, find_dialects
from omniroute.upstream import Lookup, system_lookup

PROBE_S: Final = 30.0
"""For the whole of it: somebody waits for the answer."""

QUOTED_CHARS: Final = 300
"""Of the provider's own words."""

_MASKED_CHARS: Final = 4
"""Shorter secrets are not looked for: they would be found in ordinary words."""


class ProbeResult(msgspec.Struct, frozen=True):
    """What came of a test."""

    ok: bool
    stage: Stage
    """The step that failed; ``done`` if none did."""
    message: str
    url: str
    model: str = ""
    status: int = 0
    """HTTP status of the answer, 0 if there was none."""
    took_ms: int = 0


async def probe(stored: StoredConnection, model: str = "", *, lookup: Lookup = system_lookup) -> ProbeResult:
    """Call the provider: one token of ``model``, or of the connection's first; its list of models if there is none."""
    connection = stored.connection
    asked = model or next(iter(connection.models), "")
    status = 0
    stage: Stage = "timeout"
    message = f"no complete answer within {PROBE_S:.0f} s"
    url = connection.base_url
    started_at = trio.current_time()
    with trio.move_on_after(PROBE_S):
        try:
            if stored.problem:
                _fail("credential", stored.problem)
            side = _upstream_side(connection)
            question = _question(side, connection, asked) if asked else None
            path = side.models_path if question is None else question.path
            url += path
            body = None if question is None else b"".join(question.body)
            answer = await call_once(connection, path, body, _headers(side, connection), lookup=lookup)
            status = answer.status
            message = _judged(answer, url, asked, connection, side)
            stage = "done"
        except CallFailedError as exc:
            stage, message, status = exc.stage, exc.message, exc.status
    took_ms = round((trio.current_time() - started_at) * 1000)
    return ProbeResult(stage == "done", stage, _masked(connection, message), url, asked, status, took_ms)


def _upstream_side(connection: Connection) -> UpstreamSide:
    dialect = find_dialects().get(connection.dialect)
    if dialect is None or dialect.upstream is None:
        _fail("credential", f"this gateway does not speak '{connection.dialect}': add the connection again")
    return dialect.upstream


def _question(side: UpstreamSide, connection: Connection, model: str) -> Outgoing:
    """The cheapest question there is."""
    ping = Turn(role="user", blocks=(Text(text="ping"),))
    request = ChatRequest(origin=connection.dialect, model=model, turns=(ping,), max_output=1)
    return side.write_request(request, connection.quirks, Notes())


def _headers(side: UpstreamSide, connection: Connection) -> list[tuple[bytes, bytes]]:
    """The credential, and what the dialect sends by default unless the connection says otherwise."""
    taken = {name.encode() for name, _ in connection.headers}
    headers = [(name, value) for name, value in side.headers if name not in taken]
    credential = connection.credential.reveal()
    return [*headers, side.presented(credential)] if credential else headers


def _judged(answer: Answer, url: str, model: str, connection: Connection, side: UpstreamSide) -> str:
    """What to say of an answer that is good. Raises ``CallFailedError`` for any other."""
    status = answer.status
    said = _quoted(answer.body)
    if status in (401, 403):
        _fail("auth", f"the provider does not accept the credential: {said}", status)
    if status == 402:
        _fail("auth", f"the account has no credit: {said}", status)
    if status == 429:
        _fail("rate", f"the account is limited for now (the credential itself works): {said}", status)
    # as a word of its own: a short name is a part of many others, of the path that is not there among them
    if status in (400, 404, 422) and model and re.search(rf"(?<!\w){re.escape(model)}(?!\w)", said, re.IGNORECASE):
        _fail("model", f"the provider does not serve {model} so: {said}", status)
    if status in (404, 405) or 300 <= status < 400:
        _fail("base_url", f"nothing is at {url} (is the /v1 missing, or there twice?): {said}", status)
    if status != 200:
        _fail("upstream", f"the provider answered with {status}: {said}", status)
    if not (_is_answer(answer.body, connection, side) if model else _LISTS & _members(answer.body).keys()):
        _fail("base_url", f"{url} answers, but not as an API that speaks {connection.dialect} does: {said}", status)
    return f"{model} answered" if model else "the provider lists its models"


_LISTS: Final = frozenset({"data", "models"})
"""What vendors call the list of their models."""


def _is_answer(body: bytes, connection: Connection, side: UpstreamSide) -> bool:
    try:
        return side.read_failure(body) is None and bool(side.read_answer(body, connection.quirks).candidates)
    except ValueError:
        return False


def _fail(stage: Stage, message: str, status: int = 0) -> NoReturn:
    raise CallFailedError(stage, message, status)


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


class _Error(msgspec.Struct):
    message: str = ""


class _Errors(msgspec.Struct):
    error: _Error | str


def _quoted(body: bytes) -> str:
    """The provider's own words: the message of its error, or the beginning of whatever it sent, on one line."""
    try:
        error = msgspec.json.decode(body, type=_Errors).error
        text = error if isinstance(error, str) else error.message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body[: 8 * QUOTED_CHARS].decode("utf-8", "replace")
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * QUOTED_CHARS])
    return " ".join(printable.split())[:QUOTED_CHARS]


def _masked(connection: Connection, text: str) -> str:
    """Without the connection's secrets: some providers repeat the key they refuse."""
    secrets = [connection.credential.reveal(), urlsplit(connection.proxy.reveal()).password or ""]
    secrets += [value for _, value in connection.headers]
    for secret in secrets:
        if len(secret) >= _MASKED_CHARS:
            text = text.replace(secret, "***")
    return text
