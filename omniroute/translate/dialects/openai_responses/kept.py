"""Items of kept responses: how they go to a provider again, and how they are listed (translation.md §11.11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Raw

_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
_OTHER_PREFIX: Final = "item"


class _Item(msgspec.Struct, frozen=True):
    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: Raw = Raw()
    encrypted_content: str | None = None

    @property
    def kind(self) -> str:
        """Messages may leave their type out."""
        return self.type or "message"


class _Text(msgspec.Struct, frozen=True, tag_field="type", tag="input_text"):
    text: Raw


class _Said(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    text: Raw
    annotations: tuple[()] = ()


_item: Final = msgspec.json.Decoder(_Item)
_members: Final = msgspec.json.Decoder(dict[str, Raw])


def replayable(items: Iterable[Raw]) -> Iterator[Raw]:
    """Kept items as a provider takes them that kept nothing: without ids, which it would look up and not find.

    For the same reason reasoning goes back only if it is encrypted; then its id belongs to it. Items of the vendor's
    own tools stay as they are.
    """
    for raw in items:
        item = _read(raw)
        if item is None or (item.kind not in _PREFIXES and item.type):
            yield raw
        elif item.kind == "reasoning":
            if item.encrypted_content:
                yield raw
        elif item.id is None:
            yield raw
        else:
            members = _members.decode(raw)
            yield _encoded({name: value for name, value in members.items() if name not in ("id", "status")})


def listed(raw: Raw, seed: str) -> Raw:
    """An input item as it is listed: complete, with an id (made of ``seed`` if it came without one)."""
    item = _read(raw)
    if item is None:
        return raw
    members = _members.decode(raw)
    changed = dict(members)
    if not item.id:
        changed["id"] = Raw(msgspec.json.encode(f"{_PREFIXES.get(item.kind, _OTHER_PREFIX)}_{seed}"))
    if item.kind == "message":
        changed["type"] = Raw(b'"message"')
        changed.setdefault("status", Raw(b'"completed"'))
        if bytes(item.content).startswith(b'"'):
            part = _Said(item.content) if item.role == "assistant" else _Text(item.content)
            changed["content"] = _encoded((part,))
    return raw if changed == members else _encoded(changed)


def _read(raw: Raw) -> _Item | None:
    """What tells an item; None if it is none: what is wrong with it is said by whoever reads the whole request."""
    try:
        return _item.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _encoded(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
