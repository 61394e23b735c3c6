"""Items of kept responses."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.translate.dialects.openai_responses.kept import listed, replayable
from tests.translate.dialects.openai_responses.said import raw


@pytest.mark.parametrize(
    ("item", "sent"),
    [
        (
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": []},
            {"type": "message", "role": "assistant", "content": []},
        ),
        ({"role": "user", "content": "x"}, {"role": "user", "content": "x"}),
        (
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c",
                "name": "f",
                "arguments": "{}",
                "status": "completed",
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        ),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, None),
        ({"type": "web_search_call", "id": "ws_1"}, {"type": "web_search_call", "id": "ws_1"}),
        (5, 5),
    ],
)
def test_items_go_out_without_ids_nobody_knows(item: object, sent: object) -> None:
    found = [msgspec.json.decode(one) for one in replayable([raw(item)])]
    assert found == ([] if sent is None else [sent])


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (
            {"role": "user", "content": "x"},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "x"}],
                "id": "msg_s",
                "type": "message",
                "status": "completed",
            },
        ),
        (
            {"type": "message", "role": "assistant", "content": "x", "id": "msg_1", "status": "incomplete"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": []}],
                "id": "msg_1",
                "status": "incomplete",
            },
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"type": "function_call_output", "call_id": "c", "output": "1", "id": "fco_s"},
        ),
        (
            {"type": "computer_call_output", "call_id": "c"},
            {"type": "computer_call_output", "call_id": "c", "id": "item_s"},
        ),
        (5, 5),
    ],
)
def test_items_are_listed_complete(item: object, shown: object) -> None:
    assert msgspec.json.decode(listed(raw(item), "s")) == shown


def test_an_item_that_is_complete_is_listed_as_it_came() -> None:
    item = msgspec.Raw(b'{"id": "fc_1", "type":"function_call", "n":1.0}')
    assert bytes(listed(item, "s")) == bytes(item)
