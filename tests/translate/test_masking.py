"""Masking: no credential of a known shape survives, ordinary words do."""

import time

import pytest

from omniroute.translate.masking import mask


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF0123456789", "sk-ant-api03-abcdefgh_ijkl-mnop", "sk-or-v1-0123456789abcdef",
        "gsk_abcdefgh12345678", "xai-abcdefgh12345678", "pplx-abcdefgh12345678", "hf_abcdefghijklmnop",
        "nvapi-abcdefgh-ijkl", "AIzaSyA-1234567890abcdef", "AKIAIOSFODNN7EXAMPLE", "ghp_0123456789abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a1" * 24,
    ],
)  # fmt: skip
def test_keys_of_known_shapes(secret: str) -> None:
    for text in (f"bad key {secret}.", f"key={secret}", f'{{"k":"{secret}"}}', f"Authorization: Bearer {secret}"):
        assert secret[-8:] not in mask(text)
        assert "***" in mask(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer ***"),
        ("api_key=abcdefg1 is wrong", "api_key=*** is wrong"),
        ('"apiKey": "abcdefg1"', '"apiKey": "***"'),
        ("Your api key: ****-key is invalid", "Your api key: *** is invalid"),
        ("password: hunter2hunter2", "password: ***"),
    ],
)
def test_named_secrets(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided. You can obtain one from https://console.x.ai.",
        "The model `gpt-4o-mini-2024-07-18` does not exist", "API key is invalid.", 'unknown "key": "messages"',
        "skyscrapers and skeletons, risk-assessment-of-2024", "This model's maximum context length is 128000 tokens",
        "chatcmpl-ASYMaNc7XmbGRUNREnmvhyyISBHsv",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("piece", ["key=", "a-", "sk-", "eyJ.", "Bearer ", "a_", "1", "AKIA", "secret key: "])
def test_hostile_texts_take_linear_time(piece: str) -> None:
    started = time.process_time()
    mask(piece * (16_000 // len(piece)))
    assert time.process_time() - started < 0.2
