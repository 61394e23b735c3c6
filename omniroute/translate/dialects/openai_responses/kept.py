"""Responses that are kept: a request with what came before it in its input, and its own input as a list of items.

Pure: whoever keeps responses hands the items in and takes them out (translation.md §11.11). Items are JSON as clients
and upstreams wrote them; only what must differ is written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.translate import reading
from omniroute.translate.canonical import Json
from omniroute.translate.notes import Unsupported

_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
_OTHER_PREFIX: Final = "item"
_OWN_IDS: Final = frozenset({"message", "function_call", "function_call_output", "custom_tool_call"}) | {
    "custom_tool_call_output"
}
"""Types of items whose id says nothing to a provider that did not keep them."""


class _Asked(msgspec.Struct, frozen=True):
    previous_response_id: str | None = None
    input: Raw = Raw(b"null")


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


class _Message(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    role: str
    content: Raw


_asked: Final = msgspec.json.Decoder(_Asked)
_input: Final = msgspec.json.Decoder(str | list[Raw] | None)
_item: Final = msgspec.json.Decoder(_Item)
_members: Final = msgspec.json.Decoder(dict[str, Raw])


def previous_id(body: bytes) -> str:
    """The response a request goes on from, "" if none. Raises ClientError."""
    return reading.read_body(_asked, body).previous_response_id or ""


def references(body: bytes) -> tuple[str, ...]:
    """Ids of kept items that a request's input refers to. Raises ClientError."""
    return tuple(item.id or "" for _, item in _own_items(body) if item.kind == "item_reference")


def with_history(body: bytes, history: Iterable[Json], kept: Mapping[str, Json]) -> bytes:
    """``body`` with ``history`` (a former response's input and output items) before its own input.

    Its references are replaced by the items of ``kept``; ``previous_response_id`` is gone. Raises Unsupported for a
    reference to none of them, ClientError for an input that is none.
    """
    items = [Raw(item) for item in replayable(history)]
    for index, (raw, item) in enumerate(_own_items(body)):
        if item.kind != "item_reference":
            items.append(Raw(raw))
            continue
        found = kept.get(item.id or "")
        if found is None:
            at = f"input[{index}]"
            raise Unsupported(f"'{at}' refers to an item that is not kept: send the item itself.", param=at)
        items += [Raw(raw) for raw in replayable((found,))]
    members = reading.read_body(_members, body)
    members.pop("previous_response_id", None)
    members["input"] = Raw(msgspec.json.encode(items))
    return msgspec.json.encode(members)


def input_items(body: bytes, seed: str) -> tuple[Json, ...]:
    """The items of a request's input as they are listed: each complete, and with an id.

    Where it has none, one is made of ``seed``, the same each time.
    Raises ClientError for an input that is none.
    """
    return tuple(_listed(raw, item, f"{seed}_{index}") for index, (raw, item) in enumerate(_own_items(body)))


def replayable(items: Iterable[Json]) -> Iterator[Json]:
    """Kept items as a provider that knows nothing of them takes them: without ids of ours.

    Reasoning comes back only if it is encrypted: otherwise it would be looked up by its id, and not found.
    """
    for raw in items:
        item = _item.decode(raw)
        if item.kind == "reasoning" and not item.encrypted_content:
            continue
        if item.kind not in _OWN_IDS or item.id is None:
            yield raw
            continue
        members = _members.decode(raw)
        del members["id"]
        members.pop("status", None)
        yield msgspec.json.encode(members)


def _own_items(body: bytes) -> Iterator[tuple[Json, _Item]]:
    told = reading.read_body(_input, bytes(reading.read_body(_asked, body).input), at="input")
    if told is None:
        return
    if isinstance(told, str):
        text = Raw(msgspec.json.encode(told))
        message = _Message("user", Raw(msgspec.json.encode((_Text(text),))))
        raw = msgspec.json.encode(message)
        yield raw, _item.decode(raw)
        return
    for index, raw_item in enumerate(told):
        yield bytes(raw_item), reading.read_body(_item, bytes(raw_item), at=f"input[{index}]")


def _listed(raw: Json, item: _Item, seed: str) -> Json:
    members = _members.decode(raw)
    changed = dict(members)
    if not item.id:
        changed["id"] = Raw(msgspec.json.encode(f"{_PREFIXES.get(item.kind, _OTHER_PREFIX)}_{seed}"))
    if item.kind == "message":
        changed["type"] = Raw(b'"message"')
        changed.setdefault("status", Raw(b'"completed"'))
        content = bytes(item.content)
        if content.startswith(b'"'):
            part = _Said(item.content) if item.role == "assistant" else _Text(item.content)
            changed["content"] = Raw(msgspec.json.encode((part,)))
    return raw if changed == members else msgspec.json.encode(changed)
