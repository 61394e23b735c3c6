"""JSON Schema in the OpenAPI subset, and back."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.errors import ClientError
from omniroute.translate.notes import Notes
from omniroute.translate.schema_subset import from_openapi, is_empty_object, to_openapi


def _subset(schema: object) -> object:
    return msgspec.json.decode(to_openapi(msgspec.json.encode(schema), "p", Notes()))


def _lost(schema: object) -> dict[tuple[str, str], str]:
    notes = Notes()
    to_openapi(msgspec.json.encode(schema), "p", notes)
    return {(note.field, note.action): note.severity for note in notes}


@pytest.mark.parametrize(
    ("schema", "subset"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": ["integer", "null"]}, {"type": "INTEGER", "nullable": True}),
        ({"type": ["string", "number"]}, {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T"},
            {"type": "STRING", "nullable": True, "title": "T"},
        ),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
        ({"type": "integer", "enum": [1]}, {"type": "INTEGER"}),
        ({"properties": {"a": True, "b": {}}}, {"type": "OBJECT", "properties": {"a": {}, "b": {}}}),
        (
            {"items": [{"type": "string"}, {"type": "integer"}]},
            {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 1},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "uuid"}, {"type": "STRING"}),
        (
            {"type": "number", "exclusiveMinimum": 1, "maximum": 2, "exclusiveMaximum": 3},
            {"type": "NUMBER", "minimum": 1, "maximum": 2},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]},
        ),
        (
            {
                "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"$ref": "#/$defs/B"}],
                "type": "object",
                "$defs": {"B": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}},
            },
            {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "INTEGER"}},
                "required": ["a", "b"],
            },
        ),
        (
            {"$ref": "#/definitions/a~1b", "description": "D", "definitions": {"a/b": {"type": "string"}}},
            {"type": "STRING", "description": "D"},
        ),
        ({"$ref": "https://x.test/s.json", "description": "D"}, {"type": "OBJECT", "description": "D"}),
        (
            {
                "type": "object",
                "properties": {"type": {"type": "string"}, "$ref": {"type": "string"}, "enum": {"type": "string"}},
            },
            {
                "type": "OBJECT",
                "properties": {"type": {"type": "STRING"}, "$ref": {"type": "STRING"}, "enum": {"type": "STRING"}},
            },
        ),
    ],
)
def test_to_the_subset(schema: object, subset: object) -> None:
    assert _subset(schema) == subset


def test_numbers_keep_their_spelling() -> None:
    assert b'"minimum":1.50' in to_openapi(b'{"type":"number","minimum":1.50}', "p", Notes())


def test_what_is_lost_is_named_where_it_stood() -> None:
    assert _lost(
        {
            "$schema": "x",
            "type": "object",
            "additionalProperties": False,
            "properties": {"a": {"type": "string", "default": "x", "not": {}}, "b": {"$ref": "#/nowhere"}},
        }
    ) == {
        ("p.$schema", "dropped"): "info",
        ("p.additionalProperties", "dropped"): "warning",
        ("p.properties.a.default", "dropped"): "info",
        ("p.properties.a.not", "dropped"): "warning",
        ("p.properties.b.$ref", "approximated"): "warning",
    }


def test_a_circle_ends() -> None:
    schema = {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}}
    depth, node = 0, _subset(schema)
    while isinstance(node, dict) and "properties" in node:
        depth, node = depth + 1, node["properties"]["next"]
    assert (depth, node) == (8, {"type": "OBJECT"})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/N", "$defs": {"N": {"properties": {c: {"$ref": "#/$defs/N"} for c in "abcdef"}}}},
        {
            "$ref": "#/$defs/D0",
            "$defs": {
                f"D{n}": {"properties": {"a": {"$ref": f"#/$defs/D{n + 1}"}, "b": {"$ref": f"#/$defs/D{n + 1}"}}}
                for n in range(60)
            },
        },
        {"$ref": "#/$defs/A0", "$defs": {f"A{n}": {"$ref": f"#/$defs/A{n + 1}"} for n in range(5000)}},
        {"allOf": [{"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]},
    ],
    ids=["fan", "doubling", "chain", "allOf", "anyOf"],
)
@pytest.mark.slow
def test_references_take_a_moment_at_most(schema: object) -> None:
    started = time.monotonic()
    try:
        size = len(to_openapi(msgspec.json.encode(schema), "p", Notes()))
    except ClientError as error:
        size = len(error.message)
    assert time.monotonic() - started < 5
    assert size < 10_000_000


@pytest.mark.slow
def test_too_deep_and_too_many() -> None:
    deep = b'{"items":' * 200 + b"{}" + b"}" * 200
    for schema in (deep, msgspec.json.encode({"properties": {f"p{n}": {} for n in range(50_000)}})):
        with pytest.raises(ClientError) as caught:
            to_openapi(schema, "p", Notes())
        assert caught.value.param == "p"
    with pytest.raises(ClientError):
        from_openapi(deep, "p")


@pytest.mark.parametrize(
    ("openapi", "schema"),
    [
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "STRING", "enum": ["a"], "nullable": True, "format": "enum"},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"any_of": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": "ARRAY", "items": {"type": "INTEGER"}, "max_items": "5", "minItems": 1},
            {"type": "array", "items": {"type": "integer"}, "maxItems": 5, "minItems": 1},
        ),
        (
            {"type": "OBJECT", "properties": {"any_of": {"type": "STRING"}}, "propertyOrdering": ["any_of"]},
            {"type": "object", "properties": {"any_of": {"type": "string"}}},
        ),
        ({"type": "TYPE_UNSPECIFIED", "example": 1}, {"examples": [1]}),
        (
            {"type": ["string", "null"], "$defs": {"A": {"type": "OBJECT"}}},
            {"type": ["string", "null"], "$defs": {"A": {"type": "object"}}},
        ),
    ],
)
def test_from_the_subset(openapi: object, schema: object) -> None:
    assert msgspec.json.decode(from_openapi(msgspec.json.encode(openapi), "p")) == schema


_kinds = st.sampled_from(["STRING", "NUMBER", "INTEGER", "BOOLEAN"])
_nodes = st.recursive(
    st.builds(lambda kind, null: {"type": kind} | ({"nullable": True} if null else {}), _kinds, st.booleans()),
    lambda inner: (
        st.builds(lambda items: {"type": "ARRAY", "items": items}, inner)
        | st.dictionaries(st.sampled_from(["type", "format", "a", "default"]), inner, max_size=3).map(
            lambda properties: {"type": "OBJECT", "properties": properties}
        )
        | st.lists(inner, min_size=2, max_size=3).map(lambda choices: {"anyOf": choices})
    ),
    max_leaves=6,
)


@settings(max_examples=30)
@given(_nodes)
def test_the_subset_comes_back_as_it_was(openapi: dict[str, object]) -> None:
    notes = Notes()
    assert msgspec.json.decode(to_openapi(from_openapi(msgspec.json.encode(openapi), "p"), "p", notes)) == openapi
    assert not list(notes)


def test_an_object_of_nothing() -> None:
    assert is_empty_object(b'{"type":"OBJECT"}')
    assert is_empty_object(b'{"type":"OBJECT","properties":{}}')
    assert not is_empty_object(b'{"type":"OBJECT","properties":{"a":{}}}')
    assert not is_empty_object(b'{"type":"STRING"}')
