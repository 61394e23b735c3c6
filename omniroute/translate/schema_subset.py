"""JSON Schema in the OpenAPI subset of older Gemini models, and back (translation.md §11.6).

The subset has types in upper case, ``nullable`` instead of a null type, enums of strings only, no references and few
keywords. Keywords are taken out only where they *are* keywords: a property may be called ``default`` or ``format``.
Numbers and texts stay as they were spelled.

Bounds: a schema is at most ``MAX_SCHEMA_BYTES`` long and ``MAX_SCHEMA_DEPTH`` deep. A reference is written out at most
``MAX_RECURSION`` times inside itself, and not at all once ``MAX_NODES`` are written: what is left is an object of any
kind. So neither a circle nor definitions that double themselves take more than a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import Json
from omniroute.translate.notes import Notes
from omniroute.translate.reading import MAX_SCHEMA_DEPTH

MAX_RECURSION: Final = 8
MAX_NODES: Final = 10_000
MAX_REFERENCES: Final = 64
"""References one behind or inside another on the way to a node."""

Members = dict[str, msgspec.Raw]
Node = dict[str, object]

_FREE: Final = msgspec.Raw(b'"object"')
_KINDS: Final = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"})
_FORMATS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "STRING": frozenset({"date-time", "enum"}),
        "INTEGER": frozenset({"int32", "int64"}),
        "NUMBER": frozenset({"float", "double"}),
    }
)
# Source: google-genai 3.4.0, types.Schema.
_KEPT: Final = frozenset(
    {
        "title", "description", "example", "pattern", "minimum", "maximum", "minItems", "maxItems", "minLength",
        "maxLength", "minProperties", "maxProperties", "propertyOrdering",
    }
)  # fmt: skip
_HANDLED: Final = frozenset(
    {"type", "nullable", "enum", "const", "format", "properties", "required", "items", "anyOf", "oneOf",
     "exclusiveMinimum", "exclusiveMaximum", "$defs", "definitions", "allOf", "$ref"}
)  # fmt: skip
_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$comment", "$anchor", "default", "examples", "deprecated", "readOnly", "writeOnly",
     "contentEncoding", "contentMediaType"}
)  # fmt: skip
_SNAKE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
        "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
        "property_ordering": "propertyOrdering", "additional_properties": "additionalProperties",
    }
)  # fmt: skip
_COUNTS: Final = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})

_members: Final = msgspec.json.Decoder(Members)
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)


def to_openapi(schema: Json, at: str, notes: Notes) -> Json:
    """JSON Schema ``schema`` in the subset; what it cannot say is noted at its path below ``at``.

    Raises ClientError naming ``at`` if it is nested too deeply or cannot be read.
    """
    try:
        return msgspec.json.encode(_Writer(schema, at, notes).written())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ClientError(f"'{at}' is not a JSON Schema that can be read.", param=at, code="invalid_value") from error


def from_openapi(schema: Json, at: str) -> Json:
    """``schema`` of the subset (or JSON Schema already) as JSON Schema. Raises ClientError as :func:`to_openapi`."""
    try:
        return msgspec.json.encode(_read(msgspec.Raw(schema), at, 0))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ClientError(f"'{at}' is not a schema that can be read.", param=at, code="invalid_value") from error


def is_empty_object(openapi: Json) -> bool:
    """Whether a schema of the subset is an object without any property: such parameters are left out."""
    members = _members.decode(openapi)
    return bytes(members.get("type", b"")) == b'"OBJECT"' and bytes(members.get("properties", b"{}")) == b"{}"


class _Writer:
    """One schema on its way into the subset."""

    def __init__(self, schema: Json, at: str, notes: Notes) -> None:
        self._root = msgspec.Raw(schema)
        self._at = at
        self._notes = notes
        self._nodes = 0
        self._containers: dict[str, Members] = {}
        """What references have gone through, by pointer: each is decoded once."""

    def written(self) -> Node:
        """The whole schema."""
        return self._node(self._root, self._at, 0, ())

    def _node(self, raw: msgspec.Raw, at: str, depth: int, refs: tuple[str, ...]) -> Node:
        self._nodes += 1
        if depth > MAX_SCHEMA_DEPTH or self._nodes > 4 * MAX_NODES:
            raise ClientError(
                f"'{self._at}' is too large: {MAX_SCHEMA_DEPTH} levels and {4 * MAX_NODES} parts are taken.",
                param=self._at,
                code="invalid_value",
            )
        found = _object(raw)
        if found is None:
            if bytes(raw).strip() != b"true":
                self._notes.add(at, "approximated", "only objects are schemas here; anything is allowed instead")
            return {}
        members, refs = self._resolved(found, at, depth, refs)
        self._note_unknown(members, at)
        node: Node = {name: value for name, value in members.items() if name in _KEPT}
        nullable = bytes(members.get("nullable", b"")) == b"true"
        kinds = _kinds(members)
        if "NULL" in kinds and len(kinds) > 1:
            kinds.remove("NULL")
            nullable = True
        choices, null_too = self._choices(members, at, depth, refs)
        nullable = nullable or null_too
        shape = self._shape(members, at, depth, refs)
        nullable = self._enum(members, kinds, node, at) or nullable
        kinds = kinds or _implied(shape, node)
        if len(choices) == 1:
            node = choices[0] | node
        elif choices:
            node["anyOf"] = choices
        if len(kinds) == 1:
            node |= {"type": kinds[0]} | {name: part for name, part in shape.items() if _fits(name, kinds[0])}
        elif kinds and not choices:
            node["anyOf"] = [
                {"type": kind} | {name: part for name, part in shape.items() if _fits(name, kind)} for kind in kinds
            ]
        self._limits(members, node, kinds, at)
        if nullable:
            node["nullable"] = True
        return node

    # -- references and allOf ----------------------------------------------------------------------------------------
    def _resolved(
        self, members: Members, at: str, depth: int, refs: tuple[str, ...]
    ) -> tuple[Members, tuple[str, ...]]:
        """``members`` with ``$ref`` and ``allOf`` written out, and the references gone through to get here."""
        while "$ref" in members:
            pointer = _string(members["$ref"])
            rest = {name: value for name, value in members.items() if name != "$ref"}
            target = self._target(pointer)
            if (
                target is None
                or refs.count(pointer) >= MAX_RECURSION
                or len(refs) >= MAX_REFERENCES
                or self._nodes > MAX_NODES
            ):
                self._notes.add(f"{at}.$ref", "approximated", "a reference that cannot be written out: any object")
                return {"type": _FREE} | {name: value for name, value in rest.items() if name in _KEPT}, refs
            refs = (*refs, pointer)
            members = target | rest
        if "allOf" in members:
            parts = _items.decode(members["allOf"])
            members = {name: value for name, value in members.items() if name != "allOf"}
            if depth >= MAX_SCHEMA_DEPTH:
                parts = []
            for number, part in enumerate(parts):
                self._nodes += 1
                inner = _object(part) or {}
                resolved, _ = self._resolved(inner, f"{at}.allOf[{number}]", depth + 1, refs)
                self._merge(members, resolved, f"{at}.allOf[{number}]")
        return members, refs

    def _target(self, pointer: str) -> Members | None:
        """What a local reference points at; None for any other, or if it is no object."""
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        here = ""
        found = self._containers.setdefault(here, _object(self._root) or {})
        for step in pointer.split("/")[1:]:
            here = f"{here}/{step}"
            if here not in self._containers:
                raw = found.get(step.replace("~1", "/").replace("~0", "~"))
                inner = None if raw is None else _object(raw)
                if inner is None:
                    return None
                self._containers[here] = inner
            found = self._containers[here]
        return dict(found)

    def _merge(self, into: Members, part: Members, at: str) -> None:
        for name, value in part.items():
            if name not in into:
                into[name] = value
            elif name == "properties":
                both = _members.decode(value) | _members.decode(into[name])
                into[name] = msgspec.Raw(msgspec.json.encode(both))
            elif name == "required":
                names = dict.fromkeys([*_strings(into[name]), *_strings(value)])
                into[name] = msgspec.Raw(msgspec.json.encode(list(names)))
            elif bytes(into[name]) != bytes(value) and name not in _ANNOTATIONS | {"title", "description"}:
                self._notes.add(f"{at}.{name}", "approximated", "another part of allOf says otherwise")

    # -- keywords ----------------------------------------------------------------------------------------------------
    def _note_unknown(self, members: Members, at: str) -> None:
        for name in members:
            if name not in _KEPT and name not in _HANDLED:
                self._notes.add(
                    f"{at}.{name}", "dropped", "not in the target's schema subset", info=name in _ANNOTATIONS
                )

    def _choices(self, members: Members, at: str, depth: int, refs: tuple[str, ...]) -> tuple[list[Node], bool]:
        """The alternatives of anyOf and oneOf that are not null, and whether null is one."""
        name = "anyOf" if "anyOf" in members else "oneOf"
        if name not in members:
            return [], False
        choices: list[Node] = []
        null = False
        for number, raw in enumerate(_items.decode(members[name])):
            if _kinds(_object(raw) or {}) == ["NULL"]:
                null = True
            else:
                choices.append(self._node(raw, f"{at}.{name}[{number}]", depth + 1, refs))
        return choices, null

    def _shape(self, members: Members, at: str, depth: int, refs: tuple[str, ...]) -> Node:
        """Properties and items."""
        shape: Node = {}
        if "properties" in members and (listed := _object(members["properties"])) is not None:
            properties = {
                name: self._node(raw, f"{at}.properties.{name}", depth + 1, refs) for name, raw in listed.items()
            }
            shape["properties"] = properties
            required = [name for name in _strings(members.get("required")) if name in properties]
            if required:
                shape["required"] = required
        if "items" in members:
            raw = members["items"]
            if bytes(raw).lstrip().startswith(b"["):
                self._notes.add(f"{at}.items", "approximated", "each item may be any of those listed")
                shape["items"] = {
                    "anyOf": [
                        self._node(item, f"{at}.items[{number}]", depth + 1, refs)
                        for number, item in enumerate(_items.decode(raw))
                    ]
                }
            else:
                shape["items"] = self._node(raw, f"{at}.items", depth + 1, refs)
        return shape

    def _enum(self, members: Members, kinds: list[str], node: Node, at: str) -> bool:
        """Write ``enum`` or ``const`` into ``node`` if they are of strings; True if null is among them."""
        name = "const" if "const" in members else "enum"
        if name not in members:
            return False
        values = [members[name]] if name == "const" else _items.decode(members[name])
        strings = [value for value in values if bytes(value).startswith(b'"')]
        null = any(bytes(value) == b"null" for value in values)
        if len(strings) + null == len(values) and kinds in ([], ["STRING"]):
            if strings:
                node["enum"] = strings
        else:
            self._notes.add(f"{at}.{name}", "dropped", "the target knows enums of strings only")
        return null

    def _limits(self, members: Members, node: Node, kinds: list[str], at: str) -> None:
        """Formats the target knows, and exclusive limits as plain ones."""
        form = _string(members.get("format", msgspec.Raw(b'""')))
        if form and len(kinds) == 1 and form in _FORMATS.get(kinds[0], frozenset()):
            node["format"] = form
        elif form:
            self._notes.add(f"{at}.format", "dropped", "not a format the target knows", info=True)
        for name, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if name not in members:
                continue
            if bytes(members[name])[:1] in b"-0123456789" and plain not in members:
                node[plain] = members[name]
                self._notes.add(f"{at}.{name}", "approximated", f"sent as {plain}", info=True)
            else:
                self._notes.add(f"{at}.{name}", "dropped", "not in the target's schema subset")


def _read(raw: msgspec.Raw, at: str, depth: int) -> object:
    """A node of the subset as JSON Schema."""
    if depth > MAX_SCHEMA_DEPTH:
        raise ClientError(f"'{at}' is nested deeper than {MAX_SCHEMA_DEPTH} levels.", param=at, code="invalid_value")
    found = _object(raw)
    if found is None:
        return raw
    members: Node = {}
    for name, value in found.items():
        _read_member(_SNAKE.get(name, name), value, members, at, depth)
    if bytes(found.get("nullable", b"")) == b"true":
        _allow_null(members)
    return members


def _read_member(name: str, value: msgspec.Raw, members: Node, at: str, depth: int) -> None:
    match name:
        case "nullable" | "propertyOrdering":
            return
        case "type":
            kinds = [kind.lower() for kind in _kinds({"type": value})]
            if kinds:
                members[name] = kinds[0] if len(kinds) == 1 else kinds
        case "properties" | "$defs" | "definitions" | "defs":
            listed = _object(value)
            members["$defs" if name == "defs" else name] = (
                value if listed is None else {key: _read(inner, at, depth + 1) for key, inner in listed.items()}
            )
        case "items" | "additionalProperties":
            members[name] = _read(value, at, depth + 1)
        case "anyOf":
            members[name] = [_read(inner, at, depth + 1) for inner in _items.decode(value)]
        case "format" if bytes(value) == b'"enum"':
            return
        case "example":
            members["examples"] = [value]
        case _ if name in _COUNTS and bytes(value).startswith(b'"') and _string(value).isdigit():
            members[name] = msgspec.Raw(_string(value).encode())  # 64-bit counts are strings in Google's JSON
        case _:
            members[name] = value


def _allow_null(members: Node) -> None:
    kind, choices, values = members.get("type"), members.get("anyOf"), members.get("enum")
    if isinstance(kind, str):
        members["type"] = [kind, "null"]
    elif isinstance(choices, list):
        members["anyOf"] = [*choices, {"type": "null"}]
    if isinstance(values, msgspec.Raw):
        members["enum"] = [*_items.decode(values), None]


def _object(raw: msgspec.Raw) -> Members | None:
    return _members.decode(raw) if bytes(raw).lstrip(b" \t\r\n").startswith(b"{") else None


def _string(raw: msgspec.Raw) -> str:
    return _text.decode(raw) if bytes(raw).startswith(b'"') else ""


def _strings(raw: msgspec.Raw | None) -> list[str]:
    if raw is None or not bytes(raw).startswith(b"["):
        return []
    return [_string(item) for item in _items.decode(raw)]


def _kinds(members: Members) -> list[str]:
    """The known types of a node, in upper case; NULL among them."""
    raw = members.get("type", msgspec.Raw(b"[]"))
    words = _strings(raw) if bytes(raw).startswith(b"[") else [_string(raw)]
    known = (word.upper() for word in words)
    return list(dict.fromkeys(word for word in known if word in _KINDS or word == "NULL"))


def _implied(shape: Node, node: Node) -> list[str]:
    """The type of a node that names none."""
    if "properties" in shape:
        return ["OBJECT"]
    if "items" in shape:
        return ["ARRAY"]
    return ["STRING"] if "enum" in node else []


def _fits(name: str, kind: str) -> bool:
    """Whether member ``name`` of a shape says something of values of ``kind``."""
    return kind == ("ARRAY" if name == "items" else "OBJECT")
