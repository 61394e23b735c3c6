"""How an answer of ours is compared with what a vector expects: the rules of the vector file's header, each once."""

from __future__ import annotations

import json  # noqa: TID251 - msgspec refuses lone surrogates, which vendors send and vectors hold
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

USAGE_MEMBERS: Final = frozenset({"usage", "usageMetadata", "x_groq"})
_TEXT_OF_DELTA: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
}
_CHAT_TEXTS: Final = ("content", "reasoning_content", "refusal")


class Event(msgspec.Struct, frozen=True):
    """One event of a stream: SSE's name ("" if none) and the value of its data (text if that is no JSON)."""

    name: str
    data: object


def parse(text: bytes | str) -> object:
    """The value of a JSON text, numbers as they are written and lone surrogates kept."""
    return json.loads(text, parse_float=Decimal)


class Matcher:
    """Compares one vector's values; remembers what its ``<<id:NAME>>`` stood for."""

    def __init__(self) -> None:
        self._ids: dict[str, object] = {}

    def differences(self, expected: object, got: object, at: str = "$") -> list[str]:
        """Where ``got`` is not what ``expected`` says, in words; [] if it is."""
        return list(self._compare(expected, got, at, usage=False))

    def _compare(self, expected: object, got: object, at: str, *, usage: bool) -> Iterator[str]:
        if isinstance(expected, str) and expected.startswith("<<"):
            yield from self._placeholder(expected, got, at)
        elif isinstance(expected, dict):
            yield from self._object(expected, got, at, usage=usage)
        elif isinstance(expected, list):
            yield from self._list(expected, got, at, usage=usage)
        elif not _equal(expected, got) and not (usage and _is_nothing(expected) and _is_nothing(got)):
            yield f"{at}: expected {_shown(expected)}, got {_shown(got)}"

    def _placeholder(self, expected: str, got: object, at: str) -> Iterator[str]:
        if expected == "<<any>>":
            fits = got is not None
        elif expected == "<<int>>":
            fits = isinstance(got, int) and not isinstance(got, bool) and got >= 0
        elif expected.startswith("<<id:"):
            fits = isinstance(got, str) and bool(got)
            if fits and self._ids.setdefault(expected, got) != got:
                yield f"{at}: {expected} was {_shown(self._ids[expected])} before, now {_shown(got)}"
            if fits and any(other == got for name, other in self._ids.items() if name != expected):
                yield f"{at}: {expected} is {_shown(got)}, and so is another id"
        else:
            raise AssertionError(f"no such placeholder: {expected}")
        if not fits:
            yield f"{at}: expected {expected}, got {_shown(got)}"

    def _object(self, expected: dict[str, object], got: object, at: str, *, usage: bool) -> Iterator[str]:
        if expected.keys() == {"$json"}:
            try:
                value = parse(got) if isinstance(got, str) else None
            except ValueError:
                value = None
            if not isinstance(got, str) or (value is None and expected["$json"] is not None):
                yield f"{at}: expected JSON text of {_shown(expected['$json'])}, got {_shown(got)}"
            else:
                yield from self._compare(expected["$json"], value, f"{at}(json)", usage=False)
        elif expected.keys() == {"$contains"}:
            if not isinstance(got, str) or str(expected["$contains"]) not in got:
                yield f"{at}: expected a text with {_shown(expected['$contains'])}, got {_shown(got)}"
        elif usage and _is_nothing(expected) and _is_nothing(got):
            return
        elif not isinstance(got, dict):
            yield f"{at}: expected {_shown(expected)}, got {_shown(got)}"
        else:
            for name in (*expected, *(other for other in got if other not in expected)):
                inner = usage or name in USAGE_MEMBERS
                yield from self._compare(expected.get(name), got.get(name), f"{at}.{name}", usage=inner)

    def _list(self, expected: list[object], got: object, at: str, *, usage: bool) -> Iterator[str]:
        if not isinstance(got, list):
            yield f"{at}: expected {_shown(expected)}, got {_shown(got)}"
            return
        if len(expected) != len(got):
            yield f"{at}: expected {len(expected)} items, got {len(got)}: {_shown(expected)} and {_shown(got)}"
        for number, (one, other) in enumerate(zip(expected, got, strict=False)):
            yield from self._compare(one, other, f"{at}[{number}]", usage=usage)


def _equal(expected: object, got: object) -> bool:
    """Numbers by value; true is no number."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, int | Decimal) and isinstance(got, int | Decimal):
        return expected == got
    return type(expected) is type(got) and expected == got


def _is_nothing(value: object) -> bool:
    """Null, zero, or an object of such: what a usage object may as well not have."""
    if isinstance(value, dict):
        return all(_is_nothing(inner) for inner in value.values())
    return value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool) and value == 0)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + " ..."


# -- streams -------------------------------------------------------------------------------------------------------
def normalised(dialect: str, events: Iterable[Event]) -> list[object]:
    """``events`` of a client's ``dialect`` in the one form in which two streams that say the same are equal."""
    match dialect:
        case "anthropic":
            kept = [event for event in events if event.name != "ping"]
            return _joined(kept, _anthropic_joined)
        case "openai_chat" | "openai_completions":
            return _joined(_chat_kept(events), _chat_joined)
        case "openai_responses":
            return _joined(_unnumbered(events), _responses_joined)
        case "gemini":
            return _gemini_whole(events)
        case "ollama":
            return _joined(list(events), _ollama_joined)
    raise AssertionError(dialect)


def sequence_errors(events: Iterable[Event]) -> list[str]:
    """Where a Responses stream's ``sequence_number`` does not start at 0 and grow by 1."""
    wrong = []
    for number, event in enumerate(events):
        found = event.data.get("sequence_number") if isinstance(event.data, dict) else None
        if found != number:
            wrong.append(f"event {number} ({event.name}) has sequence_number {found}")
    return wrong


Joiner = Callable[[Event, Event], Event | None]
"""Two neighbouring events as one, None if they are not of the same kind and block."""


def _joined(events: list[Event], join: Joiner) -> list[object]:
    out: list[Event] = []
    for event in events:
        both = join(out[-1], event) if out else None
        if both is None:
            out.append(event)
        else:
            out[-1] = both
    return [_mended([event.name, event.data]) for event in out]


def _mended(value: object) -> object:
    """``value`` with neighbouring halves of surrogate pairs combined."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _mended(inner) for name, inner in value.items()}
    return value


def _anthropic_joined(first: Event, second: Event) -> Event | None:
    one, other = first.data, second.data
    if not isinstance(one, dict) or not isinstance(other, dict) or first.name != "content_block_delta" != second.name:
        return None
    if one.get("type") != "content_block_delta" or one["type"] != other.get("type") or one["index"] != other["index"]:
        return None
    member = _TEXT_OF_DELTA.get(one["delta"]["type"])
    if member is None or one["delta"]["type"] != other["delta"]["type"]:
        return None
    delta = {**one["delta"], member: one["delta"][member] + other["delta"][member]}
    return Event(first.name, {**one, "delta": delta})


def _chat_kept(events: Iterable[Event]) -> list[Event]:
    kept: list[Event] = []
    begun: set[object] = set()
    for event in events:
        chunk = event.data
        if not isinstance(chunk, dict) or "choices" not in chunk:
            kept.append(event)
            continue
        choices = []
        for choice in chunk["choices"]:
            delta = choice.get("delta")
            if isinstance(delta, dict) and choice.get("index") not in begun:
                begun.add(choice.get("index"))
                delta = {name: value for name, value in delta.items() if (name, value) != ("content", "")}
                choice = {**choice, "delta": delta}  # noqa: PLW2901 - an empty content is optional in the first chunk
            if delta or choice.get("finish_reason") is not None or "text" in choice:
                choices.append(choice)
        if choices or chunk.get("usage") is not None:
            kept.append(Event(event.name, {**chunk, "choices": choices}))
    return kept


def _chat_joined(first: Event, second: Event) -> Event | None:
    one, other = _only_choice(first), _only_choice(second)
    if one is None or other is None or one.get("index") != other.get("index"):
        return None
    assert isinstance(first.data, dict)
    left, right = one["delta"], other["delta"]
    assert isinstance(left, dict)
    assert isinstance(right, dict)
    delta = None if "role" in right else _delta_joined(left, right)
    if delta is None:
        return None
    choice = {**one, "delta": delta}
    if one.get("logprobs") or other.get("logprobs"):
        choice["logprobs"] = _logprobs_joined(one.get("logprobs"), other.get("logprobs"))
    return Event(first.name, {**first.data, "choices": [choice]})


def _delta_joined(left: dict[str, object], right: dict[str, object]) -> dict[str, object] | None:
    kinds = set(left) - {"role"}
    if not kinds or kinds != set(right):
        return None
    joined = dict(left)
    for kind in kinds:
        one, other = left[kind], right[kind]
        if kind in _CHAT_TEXTS and isinstance(one, str) and isinstance(other, str):
            joined[kind] = one + other
        elif kind == "tool_calls" and len(kinds) == 1:
            joined[kind] = _calls_joined(one, other)
        elif kind == "reasoning_details":
            joined[kind] = _details_joined(one, other)
        else:
            return None
    return None if None in joined.values() else joined


def _details_joined(left: object, right: object) -> list[object] | None:
    """Two lists of one detail each, with more text of the same one."""
    if not isinstance(left, list) or not isinstance(right, list) or len(left) != 1 or len(right) != 1:
        return None
    for text in ("text", "summary"):
        if text in left[0] and text in right[0] and {**left[0], text: ""} == {**right[0], text: ""}:
            return [{**left[0], text: left[0][text] + right[0][text]}]
    return None


def _only_choice(event: Event) -> dict[str, object] | None:
    chunk = event.data
    if not isinstance(chunk, dict) or chunk.get("usage") is not None:
        return None
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or choices[0].get("finish_reason") is not None:
        return None
    choice = choices[0]
    return choice if isinstance(choice, dict) and isinstance(choice.get("delta"), dict) else None


def _calls_joined(left: object, right: object) -> list[object] | None:
    assert isinstance(left, list)
    assert isinstance(right, list)
    if len(left) != 1 or len(right) != 1 or left[0].get("index") != right[0].get("index") or right[0].get("id"):
        return None
    one, other = left[0]["function"], right[0]["function"]
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    return [{**left[0], "function": {**one, "arguments": one.get("arguments", "") + other.get("arguments", "")}}]


def _logprobs_joined(*parts: object) -> dict[str, object]:
    content: list[object] = []
    for part in parts:
        if isinstance(part, dict):
            content += part.get("content") or []
    return {"content": content}


def _unnumbered(events: Iterable[Event]) -> list[Event]:
    out = []
    for event in events:
        data = event.data
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name != "sequence_number"}
        out.append(Event(event.name, data))
    return out


def _responses_joined(first: Event, second: Event) -> Event | None:
    one, other = first.data, second.data
    if first.name != second.name or not first.name.endswith(".delta"):
        return None
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    if any(one.get(name) != other.get(name) for name in ("item_id", "output_index", "content_index", "summary_index")):
        return None
    joined = {**one, "delta": one["delta"] + other["delta"]}
    if "logprobs" in one or "logprobs" in other:
        joined["logprobs"] = (one.get("logprobs") or []) + (other.get("logprobs") or [])
    return Event(first.name, joined)


def _gemini_whole(events: Iterable[Event]) -> list[object]:
    whole: dict[str, object] = {}
    candidates: dict[int, dict[str, object]] = {}
    errors: list[object] = []
    for event in events:
        chunk = event.data
        if not isinstance(chunk, dict) or "error" in chunk:
            errors.append(chunk)
            continue
        whole |= {name: value for name, value in chunk.items() if name != "candidates" and value is not None}
        for candidate in chunk.get("candidates") or []:
            known = candidates.setdefault(candidate.get("index", 0), {"parts": []})
            content = candidate.get("content") or {}
            parts = known["parts"]
            assert isinstance(parts, list)
            for part in content.get("parts") or []:
                _add_part(parts, part)
            known |= {name: value for name, value in candidate.items() if name not in {"content", "index"}}
            if content.get("role"):
                known["role"] = content["role"]
    return [_mended([whole, [candidates[number] for number in sorted(candidates)], errors])]


def _add_part(parts: list[dict[str, object]], part: dict[str, object]) -> None:
    if part.keys() <= {"text", "thought"}:
        if not part.get("text"):
            return
        last = parts[-1] if parts else {}
        if last.keys() <= {"text", "thought"} and last and bool(last.get("thought")) == bool(part.get("thought")):
            parts[-1] = {**last, "text": f"{last['text']}{part['text']}"}
            return
    parts.append(part)


def _ollama_joined(first: Event, second: Event) -> Event | None:
    one, other = first.data, second.data
    if not isinstance(one, dict) or not isinstance(other, dict) or one.get("done") or other.get("done"):
        return None
    if "response" in one and "response" in other:
        return Event("", {**one, "response": one["response"] + other["response"]})
    left, right = one.get("message"), other.get("message")
    if not isinstance(left, dict) or not isinstance(right, dict):
        return None
    for kind in ("content", "thinking"):
        others = {"content", "thinking", "tool_calls"} - {kind}
        if left.get(kind) and right.get(kind) and not any(side.get(name) for side in (left, right) for name in others):
            return Event("", {**one, "message": {**left, kind: left[kind] + right[kind]}})
    return None
