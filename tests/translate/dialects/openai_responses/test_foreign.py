"""Requests of the dialect to an upstream of the dialect that repeat what another one said."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.translate import Notes, Pair
from omniroute.translate.dialects.openai_responses import DIALECT
from tests.translate.dialects.openai_responses.said import CLIENT, Request

PAIR = Pair(DIALECT, DIALECT)
OURS = "rs_a16d811bc763d6270000004f_0"
THEIRS = "rs_68b1f6a5b1f481a3a5d1f0c1e6a7b8c90d1e2f3a4b5c6d7e"


def request(**item: object) -> bytes:
    reasoning = {"type": "reasoning", "summary": [], **item}
    return msgspec.json.encode({"model": "m", "input": [reasoning, {"role": "user", "content": "hi"}]})


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        (request(id=THEIRS), True),
        (request(id=THEIRS, encrypted_content="c"), True),
        (request(id=OURS), False),
        (request(id=OURS, encrypted_content=None), False),
        (request(id=OURS, encrypted_content="c"), True),
        (request(id=OURS, encrypted_content="omr1:anthropic:c"), False),
        (request(type="message", role="user", content=f'say "{OURS}"'), True),
        (request(type="item_reference", id=OURS), True),
        (b'{"model":"m","input":"rs_a16d811bc763d6270000004f_0"}', True),
        (b'{"model":"m","input":["rs_a16d811bc763d6270000004f_0"', True),
    ],
    ids=[
        "theirs", "theirs, encrypted", "ours", "ours, null", "another's, encrypted", "carrier", "text", "reference",
        "one text", "no JSON",
    ],
)  # fmt: skip
def test_reasoning_the_vendor_has_not_stored_does_not_pass(body: bytes, passes: bool) -> None:
    assert PAIR.passes(body, Quirks()) == passes


def test_it_is_left_out_instead() -> None:
    asked = Request(request(id=OURS))
    peeked = CLIENT.peek(asked)
    outgoing = PAIR.request(
        asked,
        peeked,
        lambda: CLIENT.read_request(asked, peeked),
        model="m",
        quirks=Quirks(responses_reasoning=True),
        notes=Notes(),
    )
    sent = msgspec.json.decode(b"".join(outgoing.body))
    assert [item["type"] for item in sent["input"]] == ["message"]
