from __future__ import annotations

import pytest

from omniroute.storage.forms import NewKey
from tests.admin.house import House


async def test_texts_are_counted_with_a_real_vocabulary(house: House) -> None:
    key = (await house.administration.create_key(NewKey(name="k"))).key.reveal()
    headers = {"authorization": f"Bearer {key}"}

    # Known from OpenAI's own tokenizer: o200k_base has " world" and "!" as one token each, and "<|endoftext|>" as text.
    answers = [
        (await house.public.post("/api/tokens", json={"texts": texts}, headers=headers)).json()
        for texts in (["hello world!"], ["hello", " world", "!"], [], ["<|endoftext|>"])
    ]

    assert [answer["tokens"] for answer in answers] == [3, 3, 0, 7]
    assert {answer["encoding"] for answer in answers} == {"o200k_base"}


@pytest.mark.parametrize("body", [b'{"texts":[1]}', b'{"text":"x"}', b'{"texts":"x"}'])
async def test_a_wrong_body_names_its_field(house: House, body: bytes) -> None:
    key = (await house.administration.create_key(NewKey(name="k"))).key.reveal()

    refused = await house.public.post("/api/tokens", content=body, headers={"authorization": f"Bearer {key}"})

    assert refused.status_code == 400
    assert refused.json()["error"]["param"].startswith("text")


async def test_a_key_is_needed(house: House) -> None:
    assert (await house.public.post("/api/tokens", json={"texts": []})).status_code == 401
