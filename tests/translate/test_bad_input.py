"""Bad input: a 400 in the client's words that names the field, or a request its upstream can judge. Nothing else.

Every client dialect in front of every upstream dialect; where both are the same, bytes pass and are held to that.
"""

from __future__ import annotations

import contextlib
import random
import time
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest

from omniroute.errors import ClientError
from tests.translate import bad_requests
from tests.translate.bad_requests import ARGUMENTS, MODELS, SAID, UPSTREAMS, Path, dotted, spoiled

NAMES = tuple(SAID)
CPU_S = 1.0
"""For 2 MB of whatever takes longest, to read them or to write them: half of it here."""
BYTES_PER_BYTE = 40
"""Of memory, for a body of small parts: a block of a few bytes is an object of a few hundred."""
MEGABYTE = 1 << 20

WRONG = (
    b"null", b"true", b"false", b"0", b"-1", b"-0", b"1.50", b"1E2", b"1e400", b"1180591620717411303424",
    b"9" * 5000, b"NaN", b"-Infinity", b"01", b"nope", b'""', b'" "', b'"x"', b'"data:,"', b'"\\u0000"', b'"\n"',
    b"[]", b"[null]", b"[[]]", b"[{}]", b'["x"]', b"[1]", b"{}", b'{"":null}', b'{"type":null}',
    b'{"type":"of_tomorrow"}', b'[{"type":"of_tomorrow"}]', b'{"a":1.50}', b'{"a":1E400}', b"", b"]", b'"',
)  # fmt: skip
HALF = rb'"a\ud800b"'
NOT_UTF8 = b'"a\xffb"'


@pytest.mark.parametrize("name", NAMES)
def test_what_is_spoiled_here_is_good_as_it_is(name: str) -> None:
    body = msgspec.json.encode(SAID[name])
    _, canonical = bad_requests.read(name, body)
    for upstream in UPSTREAMS:
        sent = bad_requests.written(canonical, upstream)
        bad_requests.hold_sent(body, sent)
        if ARGUMENTS in body.decode().replace("\\", "") and len(SAID[name]) > 12:
            assert {b"1.50", b"2.50", b"12345678901234567890123", b"98765432109876543210"} <= bad_requests.numbers(sent)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_anything_in_any_member_that_is_known(name: str) -> None:
    dice = random.Random(name)
    for path in bad_requests.known(name):
        for raw in dice.sample(WRONG, 16):
            bad_requests.hold(name, spoiled(SAID[name], path, raw))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_anything_in_any_place_or_nothing(name: str) -> None:
    dice = random.Random(name)
    for path in bad_requests.places(msgspec.json.decode(msgspec.json.encode(SAID[name]))):
        said = msgspec.json.decode(msgspec.json.encode(SAID[name]))
        for raw in (None, b"null", *dice.sample(WRONG, 6)):
            bad_requests.hold(name, spoiled(said, path, raw))


@pytest.mark.parametrize("name", NAMES)
def test_two_wrong_things_at_once(name: str) -> None:
    dice = random.Random(name)
    said = msgspec.json.decode(msgspec.json.encode(SAID[name]))
    paths = list(bad_requests.places(said))
    for _ in range(60):
        once = spoiled(said, dice.choice(paths), dice.choice((None, b"null", b"[]", b"{}", b'""', b"1.50")))
        twice = msgspec.json.decode(once)
        more = list(bad_requests.places(twice))
        bad_requests.hold(name, spoiled(twice, dice.choice(more), dice.choice(WRONG)) if more else once)


# -- texts that are none -----------------------------------------------------------------------------------------------
def texts_in(name: str) -> Iterator[Path]:
    """Where the client's texts are."""
    said = msgspec.json.decode(msgspec.json.encode(SAID[name]))
    return (path for path in bad_requests.places(said) if isinstance(bad_requests.value_at(said, path), str))


@pytest.mark.parametrize("raw", [HALF, NOT_UTF8], ids=["half", "not-utf8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_is_none_is_named(name: str, raw: bytes) -> None:
    said = msgspec.json.decode(msgspec.json.encode(SAID[name]))
    for path in texts_in(name):
        error = bad_requests.refusal(name, spoiled(said, path, raw))
        assert error is not None
        assert error.param == dotted(path), error.message
        assert error.code == "invalid_value"


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_member_that_is_no_text_is_refused(name: str) -> None:
    for key in (HALF, NOT_UTF8):
        body = msgspec.json.encode(SAID[name])[:-1] + b"," + key + b":1}"
        assert bad_requests.refusal(name, body) is not None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_json_is_named_where_it_stops(name: str) -> None:
    for field in ("of_tomorrow", "top_p"):
        for raw in (b"NaN", b"nope", b"01", b"1.", b'{"a":}', b"[1,]", b'"\\x"'):
            error = bad_requests.refusal(name, spoiled(SAID[name], (field,), raw))
            assert error is not None
            assert (error.param or "").startswith(field), f"{raw!r}: {error.message}"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"\x00", b"{}x", b'{"a":1,}', b"[" * 9]
)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_object_is_refused(name: str, body: bytes) -> None:
    error = bad_requests.refusal(name, body)
    assert error is not None
    assert error.param or error.code == "invalid_json"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_given_twice_is_refused(name: str) -> None:
    body = msgspec.json.encode(SAID[name])
    for again in (b'"model":"m"', b'"model":"another"', b'"mod\\u0065l":"m"', b'"model":null'):
        error = bad_requests.refusal(name, body[:-1] + b"," + again + b"}")
        assert error is not None
        assert error.param == "model"
        assert "more than once" in error.message


# -- too deep, too many, too large -------------------------------------------------------------------------------------
OPENED = {"list": b"[" * 100_000 + b"]" * 100_000, "object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000}
OPAQUE: dict[str, tuple[Path, ...]] = {
    "openai_chat": (
        ("messages", 1, "content"), ("messages", 2, "tool_calls", 0, "function", "arguments"),
        ("tools", 0, "function", "parameters"), ("response_format", "json_schema", "schema"), ("of_tomorrow",),
    ),
    "openai_completions": (("prompt",), ("of_tomorrow",)),
    "openai_responses": (
        ("input", 0, "content"), ("input", 1, "arguments"), ("input", 2, "output"), ("tools", 0, "parameters"),
        ("text", "format", "schema"), ("of_tomorrow",),
    ),
    "anthropic": (
        ("system",), ("messages", 0, "content"), ("messages", 1, "content", 2, "input"),
        ("messages", 2, "content", 0, "content"), ("tools", 0, "input_schema"), ("of_tomorrow",),
    ),
    "gemini": (
        ("contents", 0, "parts"), ("contents", 1, "parts", 1, "functionCall", "args"),
        ("contents", 2, "parts", 0, "functionResponse", "response"),
        ("tools", 0, "functionDeclarations", 0, "parametersJsonSchema"),
        ("tools", 0, "functionDeclarations", 0, "parameters"), ("generationConfig", "responseSchema"), ("ofTomorrow",),
    ),
    "ollama": (
        ("messages", 1, "content"), ("messages", 2, "tool_calls", 0, "function", "arguments"),
        ("tools", 0, "function", "parameters"), ("format",), ("options", "of_tomorrow"), ("of_tomorrow",),
    ),
    "ollama /api/generate": (("prompt",), ("format",), ("options", "of_tomorrow")),
}  # fmt: skip
"""Where a client may write JSON of any shape, and where texts are."""


@pytest.mark.parametrize("shape", OPENED)
@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_thousand_levels_are_refused(name: str, shape: str) -> None:
    for path in OPAQUE[name]:
        error = bad_requests.refusal(name, spoiled(SAID[name], path, OPENED[shape]))
        assert error is not None
        assert (error.param or "").startswith(dotted(path)), error.message


@pytest.mark.parametrize("name", NAMES)
def test_levels_that_may_pass_are_read_without_a_fault(name: str) -> None:
    # jsonspan stops at 512 levels in all: whatever reads those that it lets pass must not run out of stack.
    for path in OPAQUE[name]:
        for levels in (100, 480, 511 - len(path)):
            for opened, closed in ((b"[", b"]"), (b'{"a":', b"}"), (b'{"type":"object","properties":{"a":', b"}}")):
                many = levels // (2 if b"prop" in opened else 1)
                bad_requests.hold(name, spoiled(SAID[name], path, opened * many + b"{}" + closed * many))


STOPS: dict[str, Path] = {
    "openai_chat": ("stop",), "openai_completions": ("stop",), "anthropic": ("stop_sequences",),
    "gemini": ("generationConfig", "stopSequences"), "ollama": ("options", "stop"),
    "ollama /api/generate": ("options", "stop"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPS)
def test_a_million_stop_sequences_are_refused(name: str) -> None:
    body = spoiled(SAID[name], STOPS[name], b'["x"' + b',"x"' * 999_999 + b"]")
    began = time.process_time()
    error = bad_requests.refusal(name, body)
    assert time.process_time() - began < CPU_S
    assert error is not None
    assert error.param == dotted(STOPS[name])


def schemas_of(name: str) -> tuple[Path, ...]:
    return tuple(path for path in OPAQUE[name] if "arameters" in dotted(path) or "chema" in dotted(path))


_BESIDE = {"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}
CIRCLES = (
    b'{"type":"object","properties":{"a":{"$ref":"#"}}}',
    b'{"$ref":"#"}',
    b'{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}',
    b'{"type":"object","$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}},'
    b'"properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/nowhere"},"c":{"$ref":"https://e.com/s"}}}',
)
DOUBLING = (
    b'{"type":"object","$defs":{%b,"n60":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/n0"}}}'
    % b",".join(
        b'"n%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/n%d"},"b":{"$ref":"#/$defs/n%d"}}}'
        % (n, n + 1, n + 1)
        for n in range(60)
    )
)
"""Every definition uses the next one twice: written out, it has 2^60 strings."""


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])
def test_schemas_that_refer_to_themselves_are_carried_or_refused(name: str) -> None:
    for path in schemas_of(name):
        for schema in (*CIRCLES, DOUBLING):
            began = time.process_time()
            bad_requests.hold(name, spoiled(SAID[name], path, schema))
            assert time.process_time() - began < CPU_S


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])
def test_a_schema_of_five_megabytes_is_refused(name: str) -> None:
    members = b",".join(b'"p%d":{"type":"string","minLength":1}' % n for n in range(140_000))
    large = b'{"type":"object","properties":{%b}}' % members
    assert len(large) > 5 * MEGABYTE
    for path in schemas_of(name):
        said = SAID[name]
        if path[-1] in _BESIDE:  # of the two the other one counts
            said = msgspec.json.decode(spoiled(said, (*path[:-1], _BESIDE[path[-1]]), None))
        body = spoiled(said, path, large)
        began = time.process_time()
        error = bad_requests.refusal(name, body)
        assert time.process_time() - began < CPU_S
        assert error is not None
        assert (error.param or "").startswith(dotted(path[:1])), error.message


def crowded(size: int) -> Iterator[tuple[str, bytes]]:
    """``size`` bytes each of as many small things as fit in."""

    def times(item: bytes) -> bytes:
        return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"

    def chat(messages: bytes) -> bytes:
        return b'{"model":"m","max_tokens":9,"messages":%b}' % messages

    for role in (b"user", b"assistant", b"system", b"developer"):
        yield "openai_chat", chat(times(b'{"role":"%b","content":"x"}' % role))
    yield "openai_chat", chat(times(b'{"role":"user","content":"x"},{"role":"assistant","content":"y"}'))
    yield "openai_chat", chat(times(b'{"role":"tool","tool_call_id":"c","content":"x"}'))
    yield "openai_chat", chat(b'[{"role":"user","content":%b}]' % times(b'{"type":"text","text":"x"}'))
    call = b'{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}'
    yield "openai_chat", chat(b'[{"role":"user","content":"x"},{"role":"assistant","tool_calls":%b}]' % times(call))
    yield "anthropic", chat(b'[{"role":"user","content":%b}]' % times(b'{"type":"text","text":"x"}'))
    yield "anthropic", chat(times(b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}'))
    yield (
        "anthropic",
        chat(times(b'{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"s"}]}')),
    )
    yield "openai_responses", b'{"model":"m","input":%b}' % times(b'{"role":"user","content":"x"}')
    yield (
        "openai_responses",
        b'{"model":"m","input":%b}' % times(b'{"type":"function_call","call_id":"c","name":"f","arguments":""}'),
    )
    yield "gemini", b'{"contents":%b}' % times(b'{"role":"user","parts":[{"text":"x"}]}')
    yield "gemini", b'{"contents":[{"parts":%b}]}' % times(b'{"functionCall":{"name":"f","args":{}}}')
    yield "ollama", chat(times(b'{"role":"user","content":"x"}'))
    yield "ollama", chat(b'[{"role":"user","content":"x","images":%b}]' % times(b'"iVBORw0KGgo="'))
    yield "openai_chat", chat(b'[{"role":"user","content":"x"}]')[:-1] + b',"of_tomorrow":%b}' % times(b"{}")
    yield "openai_chat", chat(b'[{"role":"user","content":"%b"}]' % (b'\\"' * (size // 2)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "body"), [pytest.param(*case, id=f"{n}-{case[0]}") for n, case in enumerate(crowded(2 * MEGABYTE))]
)
def test_two_megabytes_take_bounded_time(name: str, body: bytes) -> None:
    steps: list[float] = []
    began = time.process_time()
    try:
        _, canonical = bad_requests.read(name, body)
    except ClientError as error:
        bad_requests.hold_error(name, error)
        canonical = None
    steps.append(time.process_time() - began)
    for upstream in UPSTREAMS if canonical is not None else ():
        began = time.process_time()
        try:
            bad_requests.written(canonical, upstream)
        except ClientError as error:
            bad_requests.hold_error(name, error)
        steps.append(time.process_time() - began)
    assert max(steps) < CPU_S, steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "body"), [pytest.param(*case, id=f"{n}-{case[0]}") for n, case in enumerate(crowded(MEGABYTE // 4))]
)
def test_a_quarter_of_a_megabyte_takes_bounded_memory(name: str, body: bytes) -> None:
    tracemalloc.start()
    try:
        _, canonical = bad_requests.read(name, body)
        for upstream in UPSTREAMS:
            with contextlib.suppress(ClientError):  # what cannot be carried takes memory as well until it is seen
                bad_requests.written(canonical, upstream)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len(body) * BYTES_PER_BYTE


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])
def test_more_messages_than_anybody_takes_are_refused(name: str) -> None:
    field = {"openai_responses": "input", "gemini": "contents"}.get(name, "messages")
    error = bad_requests.refusal(name, spoiled(SAID[name], (field,), b"[{}" + b",{}" * 100_000 + b"]"))
    assert error is not None
    assert (error.param or "").startswith(field), error.message
