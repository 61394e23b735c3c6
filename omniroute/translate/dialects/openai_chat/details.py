"""``reasoning_details``: reasoning with what only its maker can read, beside the plain text (translation.md §9, §15).

An invention of OpenRouter that clients send back unchanged, which makes it the carrier of signatures in this dialect.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from omniroute.translate.canonical import Json, Reasoning
from omniroute.translate.jsontext import unescaped
from omniroute.translate.members import count, items, members, text, word

MAX_DETAILS: Final = 1024
"""Of one message or delta; one turn of a model has a handful."""

_FORMATS: Final = {
    "anthropic-claude-v1": "anthropic",
    "openai-responses-v1": "openai_responses",
    "google-gemini-v1": "gemini",
}
_ORIGINS: Final = {origin: name for name, origin in _FORMATS.items()}
_UNKNOWN: Final = "unknown"
_OURS: Final = "openai_chat"

_MEMBERS: Final = (b"type", b"text", b"summary", b"data", b"signature", b"format", b"id", b"index")

Kind = Literal["text", "summary", "encrypted"]
_KINDS: Final[dict[str, Kind]] = {
    "reasoning.text": "text",
    "reasoning.summary": "summary",
    "reasoning.encrypted": "encrypted",
}


class Detail(msgspec.Struct, frozen=True):
    """One entry as it was received. ``text`` is escaped."""

    kind: Kind
    index: int
    text: bytes
    signature: str
    data: str
    origin: str
    item_id: str


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry as it is written."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None


def read_details(raw: Json) -> tuple[Detail, ...]:
    """The entries of a ``reasoning_details`` that are of a known type; () for anything else."""
    found: list[Detail] = []
    for item in items(raw, MAX_DETAILS):
        kind, said, summary, data, signature, form, item_id, index = members(item, _MEMBERS)
        known = _KINDS.get(word(kind))
        if known is not None:
            signed, encrypted = word(signature), word(data)
            name, own_id = _joined(word(form), word(item_id))
            origin = _FORMATS.get(name, "" if name in ("", _UNKNOWN) else name)
            if not origin and (signed or encrypted):
                origin = _OURS  # nobody else can read what nobody has put a name to
            found.append(
                Detail(
                    known, count(index) or 0, text(summary) or text(said), signed, encrypted, origin,
                    own_id,
                )
            )  # fmt: skip
    return tuple(found)


def _joined(form: str, item_id: str) -> tuple[str, str]:
    """Both words as they were in each fragment, where a client's library joined those of a stream as it joins texts.

    The ``openai`` package's stream helper does: of four fragments its entry has the format four times, and the id too.
    """
    for name in _FORMATS:
        times, rest = divmod(len(form), len(name))
        if times > 1 and not rest and form == name * times:
            once = item_id[: len(item_id) // times]
            return name, once if once * times == item_id else item_id
    return form, item_id


def blocks_of(details: tuple[Detail, ...]) -> tuple[Reasoning, ...]:
    """Entries as blocks: those of one index are one, but an encrypted entry without a text before it stands alone."""
    blocks: list[Reasoning] = []
    last: Detail | None = None
    for detail in details:
        goes_on = last is not None and last.index == detail.index and blocks and not blocks[-1].redacted
        if goes_on and detail.kind == "encrypted":
            blocks[-1] = msgspec.structs.replace(blocks[-1], data=detail.data, origin=detail.origin)
        elif goes_on and last is not None and last.kind == detail.kind and not blocks[-1].signature:
            before = blocks[-1]
            blocks[-1] = msgspec.structs.replace(
                before,
                text=before.text + unescaped(detail.text),
                signature=detail.signature,
                origin=before.origin or detail.origin,
            )
        else:
            # an encrypted entry with a text is a summary and its cipher, joined: the last type of a stream stays
            hidden, said = detail.kind == "encrypted", unescaped(detail.text)
            blocks.append(
                Reasoning(
                    text=said, signature=detail.signature, data=detail.data, origin=detail.origin,
                    item_id=detail.item_id, summary=detail.kind == "summary" or (hidden and bool(said)),
                    redacted=hidden and not said,
                )
            )  # fmt: skip
        last = detail
    return tuple(blocks)


def needs_details(origin: str, *, summary: bool) -> bool:
    """Whether reasoning that ``origin`` made is written as details while it streams: its signature may follow."""
    if origin in ("", _OURS, "gemini", "ollama"):
        return False  # never signed, or not here (Gemini's place is ``extra_content``)
    # A Responses item's raw text is not what goes back: its summary is.
    return summary or origin != "openai_responses"


def carries(block: Reasoning) -> bool:
    """Whether ``block`` has anything that plain text could not bring back, and this is the place for it."""
    return block.origin != "gemini" and bool(block.signature or block.data or block.summary)


def entries_of(block: Reasoning, index: int | None) -> tuple[Entry, ...]:
    """``block`` as entries."""
    form, item_id = format_of(block.origin), block.item_id or None
    entries: list[Entry] = []
    if block.summary and block.text:
        entries.append(Entry("reasoning.summary", summary=block.text, format=form, id=item_id, index=index))
    elif block.text or block.signature:
        entries.append(
            Entry(
                "reasoning.text", text=block.text or None, signature=block.signature or None, format=form, id=item_id,
                index=index,
            )
        )  # fmt: skip
    if block.data:
        entries.append(Entry("reasoning.encrypted", data=block.data, format=form, id=item_id, index=index))
    return tuple(entries)


def format_of(origin: str) -> str:
    """The ``format`` of what ``origin`` made."""
    return _ORIGINS.get(origin, _UNKNOWN if origin in ("", _OURS) else origin)
