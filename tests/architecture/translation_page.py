"""docs/translation.md as the code says it. ``python -m tests.architecture.translation_page`` writes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.errors import OmniRouteError
from omniroute.translate import Dialect, Notes, Unsupported, find_dialects
from omniroute.translate.trial import Request
from tests.architecture.translation_probes import PROBES, request_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "translation.md"

TITLES: Final = {
    "openai_chat": "OpenAI Chat Completions",
    "openai_responses": "OpenAI Responses",
    "anthropic": "Anthropic Messages",
    "gemini": "Gemini generateContent",
    "ollama": "Ollama",
}
COLUMNS: Final = {
    "openai_chat": "Chat", "openai_responses": "Responses", "anthropic": "Anthropic", "gemini": "Gemini", "ollama": "Ollama",
}  # fmt: skip
PATHS: Final = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
    "ollama": "/api/chat",
}

HEAD: Final = """# Translation

A client of any dialect may be answered by an upstream of any other. Where both speak the same dialect the bytes pass as they
are. Otherwise a request is read into one neutral form and written again, and the answer comes back the same way, whole or
as a stream. Tool calls keep their ids and the text of their arguments; reasoning keeps its place and its signature; numbers and
schemas are never spelled anew; usage is the provider's own.

What the other dialect cannot say is never lost in silence:

- `X-OmniRoute-Lossy` on the answer lists the fields of the request that could not be carried; the ledger has the same list.
- `X-OmniRoute-Strict: true` on the request refuses it instead: 400 `unsupported_feature`, naming the fields.
- What would lose content of the user (a sound for an upstream that hears nothing) is always refused: 400 `unsupported_content`.
  If another connection of the model can take it, that one is asked.

Try it: `omniroute translate --from openai_chat --to anthropic request.json` prints what the upstream would get, and on standard error
what is lost. `--provider` and `--quirk` say how an upstream deviates; answers and streams go the other way. `POST /api/translator` is
the same for programs.

## What becomes of a request

One table for each dialect of a client, one column for each of an upstream.

| mark | means |
| --- | --- |
| as it is | Both sides speak the same dialect: not a byte of it is touched. |
| yes | It arrives. |
| dropped | It does not. |
| approximated | It arrives in a weaker form. |
| emulated | The same is done by other means. |
| synthesised | Something the client did not send was added. |
| refused | The request is: another connection may be able to. |

A mark in parentheses is not expected to change the answer, and does not count for `X-OmniRoute-Strict`. The tables are for an
upstream of which nothing is known; a connection's quirks (`omniroute providers add --quirk`) say what it can do beyond that. Numbers
lead to the reasons below each table.

This page is written by `make docs` from the code: each row is a request that was really translated. A test compares the two.
"""


_FIELD: Final = re.compile(r"^'[^']*': ")


class Carried(msgspec.Struct, frozen=True):
    """What became of a request."""

    body: bytes
    marks: tuple[tuple[str, str], ...]
    """(mark, reason)"""


def carried(client: Dialect, upstream: Dialect, body: bytes) -> Carried:
    """A client's request written for an upstream, always through the hub."""
    assert client.client is not None
    assert upstream.upstream is not None
    request = Request(PATHS[client.name], b"", {b"content-type": b"application/json"}, body)
    notes = Notes()
    try:
        canonical = client.client.read_request(request, client.client.peek(request))
        outgoing = upstream.upstream.write_request(canonical, Quirks(), notes)
    except Unsupported as refusal:
        return Carried(b"", (("refused", refusal.message),))
    except OmniRouteError as error:
        raise AssertionError(f"{client.name} to {upstream.name}: {error.message} ({body!r})") from error
    marks = [(note.action if note.severity == "warning" else f"({note.action})", note.reason) for note in notes]
    return Carried(outgoing.path.encode() + b" " + b"".join(outgoing.body), tuple(marks))


def render() -> str:
    """The page."""
    return "\n".join([HEAD, *(_section(name) for name in PROBES)])


def _section(name: str) -> str:
    dialects = find_dialects()
    client = dialects[name]
    upstreams = [dialects[other] for other in PROBES]
    reasons: list[str] = []
    rows = []
    base = {upstream.name: carried(client, upstream, request_of(name)) for upstream in upstreams}
    for label, patch in PROBES[name]:
        cells = []
        for upstream in upstreams:
            if upstream is client:
                cells.append("as it is")
                continue
            found = carried(client, upstream, request_of(name, patch))
            known = set(base[upstream.name].marks)
            cells.append(_cell([mark for mark in found.marks if mark not in known], reasons))
        rows.append(f"| {label} | {' | '.join(cells)} |")
    head = f"| a client's | {' | '.join(COLUMNS.values())} |\n|{' --- |' * (len(COLUMNS) + 1)}"
    notes = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    return "\n".join([f"### Clients of {TITLES[name]}\n", head, *rows, "", notes, ""])


def _cell(marks: list[tuple[str, str]], reasons: list[str]) -> str:
    if not marks:
        return "yes"
    told: dict[str, list[str]] = {}
    for mark, reason in marks:
        reason = _FIELD.sub("", reason)  # noqa: PLW2901 - the row says which
        text = reason[:1].upper() + reason[1:].rstrip(".") + "."
        if text not in reasons:
            reasons.append(text)
        number = str(reasons.index(text) + 1)
        if number not in told.setdefault(mark, []):
            told[mark].append(number)
    return ", ".join(f"{mark} {' '.join(numbers)}" for mark, numbers in told.items())


if __name__ == "__main__":
    PAGE.write_text(render())
