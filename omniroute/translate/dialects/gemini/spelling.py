"""Bodies as Google's service takes them: in either spelling of a member, with one object where a list may have several.

Members are renamed where our Structs know them, and nowhere else: arguments, schemas and results are the user's data.

Source: ProtoJSON ("parsers accept both the lowerCamelCase name and the original proto field name"); recording
json-output-with-tools-stream, whose request says ``parameters_json_schema``; the examples of ai.google.dev, which write
``"system_instruction": {"parts": {"text": "..."}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from msgspec.inspect import Field, ListType, StructType, Type, UnionType, type_info

from omniroute.errors import ClientError
from omniroute.translate.dialects.gemini.schema import Wire, wire_name
from omniroute.translate.reading import read_body

Body = TypeVar("Body", bound=Wire)

_MAYBE_SNAKE: Final = re.compile(rb'"[a-z]+_[a-z_]+"\s*:')

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """``body`` as ``decoder``'s type. Raises ClientError: ``param`` is the path of the field that is wrong."""
    if _MAYBE_SNAKE.search(body) is None:
        # Most clients write as we do; who does not is read a second time.
        with suppress(ClientError):
            return read_body(decoder, body)
    with suppress(ClientError):  # what is no JSON stays as it is: the decoding says where
        body = bytes(_regular(msgspec.Raw(body), _of(decoder.type)))
    return read_body(decoder, body)


def strangers(body: bytes, of: type[Wire]) -> Iterator[tuple[str, msgspec.Raw]]:
    """Name and value of each top-level member of ``body`` that ``of`` does not know. ``body`` has been read before."""
    known = of.__struct_encode_fields__
    for name, value in read_body(_members, body).items():
        if name not in known and wire_name(name) not in known:
            yield name, value


def member(body: bytes, name: str) -> bytes:
    """The value of the top-level member ``name`` of ``body``, however it is spelled; ``{}`` if it is no object."""
    values = {wire_name(key): bytes(value) for key, value in read_body(_members, body).items()}
    value = values.get(name, b"").strip(b" \t\r\n")
    return value if value.startswith(b"{") else b"{}"


@lru_cache(maxsize=8)
def _of(of: type[Wire]) -> Type:
    return type_info(of)


def _regular(raw: msgspec.Raw, kind: Type) -> msgspec.Raw:
    if isinstance(kind, UnionType):
        kind = next((inner for inner in kind.types if isinstance(inner, StructType | ListType)), kind)
    first = bytes(raw).lstrip(b" \t\r\n")[:1]
    if isinstance(kind, ListType) and isinstance(kind.item_type, StructType) and first in (b"[", b"{"):
        items = read_body(_items, bytes(raw)) if first == b"[" else [raw]
        return msgspec.Raw(msgspec.json.encode([_regular(item, kind.item_type) for item in items]))
    if isinstance(kind, StructType) and first == b"{":
        fields = _fields(kind)
        members: dict[str, msgspec.Raw] = {}
        for name, value in read_body(_members, bytes(raw)).items():
            camel = wire_name(name)
            known = camel if camel in fields else name
            if known == name or known not in members:
                members[known] = _regular(value, fields[known].type) if known in fields else value
        return msgspec.Raw(msgspec.json.encode(members))
    return raw


def _fields(kind: StructType) -> Mapping[str, Field]:
    return {field.encode_name: field for field in kind.fields}
