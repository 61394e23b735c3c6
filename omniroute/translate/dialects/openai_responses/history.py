"""Requests that go on from an answer the gateway keeps (``previous_response_id``), and what is kept of them.

The service keeps input and output of a stored response and puts both in front of the next request's input; here that
is done to the body before anybody reads it. Instructions are not carried over: the service does not either.
"""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import StoredResponse
from omniroute.errors import ClientError
from omniroute.translate.canonical import Json
from omniroute.translate.dialect import History
from omniroute.translate.dialects.openai_responses.kept import listed, replayable
from omniroute.translate.reading import read_body

MAX_ITEMS: Final = 20_000
"""Of a conversation that is put together; a longer one is refused rather than sent."""
LAST_EVENTS: Final = (b"response.completed", b"response.incomplete")

_Members = dict[str, msgspec.Raw]
_object: Final = msgspec.json.Decoder(_Members)
_objects: Final = msgspec.json.Decoder(list[msgspec.Raw])
_id: Final = msgspec.json.Decoder(str | None)
_NULL: Final = b"null"
_PREVIOUS: Final = "previous_response_id"


class _Head(msgspec.Struct):
    """What tells an item."""

    id: str | None = None
    type: str | None = None


class _Answer(msgspec.Struct):
    id: str
    output: list[msgspec.Raw] = []


_head: Final = msgspec.json.Decoder(_Head)
_answer: Final = msgspec.json.Decoder(_Answer)


def refers(body: bytes) -> str:
    """``previous_response_id``, "" for none. Raises ClientError if it is no string."""
    try:
        (span,) = jsonspan.unique_spans(body, (_PREVIOUS.encode(),))
    except ValueError as error:
        raise ClientError(
            f"'{_PREVIOUS}' is given more than once, or the body is not a JSON object.",
            param=_PREVIOUS,
            code="invalid_value",
        ) from error
    return (span is not None and read_body(_id, body[slice(*span)], _PREVIOUS)) or ""


def resume(body: bytes, stored: StoredResponse) -> bytes:
    """``body`` with everything ``stored`` stands for in front of its own input, going on from nothing.

    An ``item_reference`` to one of those items becomes the item. Raises ClientError naming what is wrong.
    """
    before = _objects.decode(context_of(stored))
    members = read_body(_object, body)
    own = _items_of(members)
    if len(before) + len(own) > MAX_ITEMS:
        raise ClientError(
            f"The conversation has {len(before) + len(own)} items; at most {MAX_ITEMS} can be sent.",
            param=_PREVIOUS,
            code="invalid_value",
        )
    known = {_read_head(raw).id: raw for raw in before}
    input_: list[msgspec.Raw] = list(replayable(before))
    for raw in own:
        head = _read_head(raw)
        found = known.get(head.id) if head.type == "item_reference" else None
        input_ += [raw] if found is None else replayable((found,))
    del members[_PREVIOUS]
    return msgspec.json.encode({**members, "input": input_})


def unknown(response_id: str) -> ClientError:
    """The vendor's own code, and where else the answer may be."""
    return ClientError(
        f"No response with id '{response_id[:100]}' is stored for this API key: it may have expired, or was made with "
        "'store' false. Send the whole conversation in 'input'.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def context_of(stored: StoredResponse) -> Json:
    """Everything a next request goes on from: JSON list of what was before, what was asked, what was answered."""
    items = [
        *_objects.decode(stored.context_items),
        *_objects.decode(stored.input_items),
        *_answer.decode(stored.body).output,
    ]
    return msgspec.json.encode(items)


def keep(body: bytes, answer: bytes) -> tuple[str, Json] | None:
    """The id under which an exchange is kept, and the request's own items, each with an id.

    None if the client said ``store: false``, or the answer has no id. ``body`` is as the client wrote it: where bytes
    pass it may hold what only its provider can read (half a surrogate pair), which nothing can go on from.
    """
    try:
        members = read_body(_object, body)
        if bytes(members.get("store", b"")) == b"false":
            return None
        told = read_body(_answer, answer)
        items = _items_of(members)
    except ClientError:
        return None
    seed = told.id.removeprefix("resp_")
    return told.id, msgspec.json.encode([listed(raw, f"{seed}_{n}") for n, raw in enumerate(items)])


def answer_in(events: bytes) -> Json:
    """The whole answer in the last ``events`` of a stream; b"" if its end is not among them."""
    for line in reversed(events.splitlines()):
        if line.startswith(b"data:") and any(name in line for name in LAST_EVENTS):
            try:
                (response,) = jsonspan.spans(line[5:].lstrip(), (b"response",))
            except ValueError:
                return b""
            return b"" if response is None else line[5:].lstrip()[slice(*response)]
    return b""


def _items_of(members: _Members) -> list[msgspec.Raw]:
    """``input`` as a list of items."""
    raw = bytes(members.get("input", _NULL))
    if raw == _NULL:
        return []
    if raw.startswith(b'"'):
        text = b'{"type":"message","role":"user","content":[{"type":"input_text","text":%b}]}' % raw
        return [msgspec.Raw(text)]
    if not raw.startswith(b"["):
        raise ClientError("'input' must be a text or a list of items.", param="input", code="invalid_value")
    return read_body(_objects, raw, "input")


def _read_head(raw: msgspec.Raw) -> _Head:
    try:
        return _head.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _Head()  # what is wrong with it is said by whoever reads the whole


HISTORY: Final = History(
    refers=refers, resume=resume, unknown=unknown, context_of=context_of, keep=keep, answer_in=answer_in
)
