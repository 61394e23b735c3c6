"""The checker of a stream's grammar."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.translate.dialect import GrammarError
from omniroute.translate.dialects.gemini.grammar import Checker

_NAMES = {"modelVersion": "m", "responseId": "r"}
_COUNTS = {"promptTokenCount": 1, "totalTokenCount": 1}


def _said(*parts: object, index: object = 0, **more: object) -> dict[str, object]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": index, **more}], **_NAMES}


def _last(*parts: object, **more: object) -> dict[str, object]:
    return {**_said(*parts, finishReason="STOP", **more), "usageMetadata": _COUNTS}


_ERROR = {"error": {"code": 500, "message": "m", "status": "INTERNAL"}}
_TEXT = {"text": "x"}


def _check(*values: object) -> None:
    checker = Checker()
    for value in values:
        checker.event(b"", value if isinstance(value, bytes) else msgspec.json.encode(value))
    checker.end()


@pytest.mark.parametrize(
    "values",
    [
        (_said(_TEXT), _last({"text": ""})),
        (
            _said({"text": "t", "thought": True, "thoughtSignature": "s"}),
            _last({"functionCall": {"name": "f", "args": {}}}),
        ),
        (_said(_TEXT), _said(_TEXT, finishReason="STOP"), {"usageMetadata": _COUNTS, **_NAMES}),
        (_said(_TEXT), _ERROR),
        (_ERROR,),
        ({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": _COUNTS, **_NAMES},),
        (_last({"inlineData": {}}),),
    ],
)
def test_what_is_right(values: tuple[object, ...]) -> None:
    _check(*values)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ((), "without an object"),
        ((_said(_TEXT),), "give no reason"),
        ((_said(_TEXT, finishReason="STOP"),), "no usageMetadata"),
        (({"usageMetadata": _COUNTS, **_NAMES},), "nobody answered"),
        ((_last(_TEXT), _said(_TEXT)), "goes on after"),
        ((_ERROR, _last(_TEXT)), "follows an error"),
        (({**_ERROR, "candidates": []},), "stands alone"),
        (({"error": {"code": "x"}},), "has code, message"),
        (({**_last(_TEXT), "responseId": ""},), "responseId is missing"),
        ((_said(_TEXT), {**_last(_TEXT), "responseId": "other"}), "responseId changes"),
        ((_last({"text": "x", "inlineData": {}}),), "holds one thing"),
        ((_last({}),), "holds one thing"),
        ((_last({"text": "x", "extra": 1}),), "members of a part"),
        ((_last({"text": 5}),), "not a string"),
        ((_last({"text": "x", "thoughtSignature": ""}),), "empty signature"),
        ((_last({"inlineData": {}, "thought": True}),), "only text"),
        ((_last({"functionCall": {"args": {}}}),), "without a name"),
        ((_last({"functionCall": {"name": "f", "args": "{}"}}),), "not an object"),
        ((_last({"functionCall": {"name": "f", "args": {}, "id": ""}}),), "an id"),
        ((_last(_TEXT, index=-1),), "index is"),
        (({**_last(_TEXT), "choices": []},), "nobody knows"),
        (({**_said(_TEXT, finishReason="STOP"), "usageMetadata": {"promptTokenCount": 1}},), "without its counts"),
        (
            ({**_said(_TEXT, finishReason="STOP"), "usageMetadata": {**_COUNTS, "thoughtsTokenCount": -1}},),
            "thoughtsTokenCount",
        ),
        ((b"[DONE]",), "not JSON"),
        ((b"[]",), "not an object"),
    ],
)
def test_what_is_wrong(values: tuple[object, ...], rule: str) -> None:
    with pytest.raises(GrammarError, match=rule):
        _check(*values)


def test_events_have_no_name() -> None:
    with pytest.raises(GrammarError, match="no name"):
        Checker().event(b"message", b"{}")
