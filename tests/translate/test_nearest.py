"""Whose client asks for a path nobody serves."""

from __future__ import annotations

import pytest

from omniroute.translate import find_dialects
from omniroute.translate.nearest import nearest_client
from omniroute.translate.trial import Request

DIALECTS = find_dialects()


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/v1/messages/batches", {}, "anthropic"),
        ("/v1/chat/completions/x", {}, "openai_chat"),
        ("/v1/responses/a/b", {}, "openai_responses"),
        ("/v1beta/cachedContents", {}, "gemini"),
        ("/api/pull", {}, "ollama"),
        ("/v1/files", {b"anthropic-version": b"2023-06-01"}, "anthropic"),
        ("/v1/files", {b"x-goog-api-client": b"x"}, "gemini"),
        ("/v1/files", {}, None),
        ("/nothing", {b"anthropic-version": b"2023-06-01"}, None),
    ],
)
def test_who_asks(path: str, headers: dict[bytes, bytes], name: str | None) -> None:
    expected = None if name is None else DIALECTS[name].client
    assert nearest_client(DIALECTS, Request(path, b"", headers, b"")) is expected


def test_nobody_without_dialects() -> None:
    assert nearest_client({}, Request("/v1/files", b"", {}, b"")) is None
