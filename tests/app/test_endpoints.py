"""What a worker answers itself: the paths of all dialects, and whose a shared one is."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from omniroute.app.endpoints import endpoints
from omniroute.edge import Endpoint, Routes
from omniroute.errors import ClientError, Overloaded, UnknownModel
from omniroute.ports import Incoming
from omniroute.translate import find_dialects
from tests.pipeline.house import House, house, incoming

KEY = {b"x-goog-api-key": b"sk"}


async def served(h: House, method: str, path: str, headers: Mapping[bytes, bytes] = {}, query: bytes = b"") -> Endpoint:
    """The endpoint that a request gets."""
    found = Routes(endpoints(h.pipeline, find_dialects())).find(path)
    assert found is not None, f"{path} is control's"
    asked = Incoming("req_1", method, found[0], query, headers, b"", 0.0, "", h.client)
    return found[1].endpoints[method].chosen(asked)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/chat/completions", "openai_chat"),
        ("/v1/completions", "openai_completions"),
        ("/v1/responses", "openai_responses"),
        ("/responses", "openai_responses"),
        ("/v1/messages", "anthropic"),
        ("/messages", "anthropic"),
        ("/v1/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
        ("/v1beta/models/acme/m:generateContent", "gemini"),
        ("/v1/models/acme/m:streamGenerateContent", "gemini"),
        ("/v1/v1beta/models/acme/m:countTokens", "gemini"),
        ("/models/m:generateContent", "gemini"),
        ("/api/chat", "ollama"),
        ("/v1/api/chat", "ollama"),
        ("/api/generate", "ollama"),
    ],
)
async def test_every_client_finds_its_dialect(path: str, dialect: str) -> None:
    async with house() as h:
        assert (await served(h, "POST", path)).name == dialect


@pytest.mark.parametrize(
    ("path", "headers", "query", "dialect"),
    [
        ("/v1/models", {}, b"", "openai_chat"),
        ("/v1/models", {b"anthropic-version": b"2023-06-01"}, b"", "anthropic"),
        ("/v1/models", KEY, b"", "gemini"),
        ("/v1/models", {}, b"key=sk", "gemini"),
        ("/models/acme/m", {}, b"", "openai_chat"),
        ("/v1/models/acme/m", {b"anthropic-version": b"2023-06-01"}, b"", "anthropic"),
        ("/v1/models/acme/m", KEY, b"", "gemini"),
        ("/v1beta/models", {}, b"", "gemini"),
        ("/api/tags", {}, b"", "ollama"),
        ("/v1/api/tags", {}, b"", "ollama"),
    ],
)
async def test_lists_of_models_are_in_the_dialect_of_who_asks(
    path: str, headers: dict[bytes, bytes], query: bytes, dialect: str
) -> None:
    async with house() as h:
        endpoint = await served(h, "GET", path, headers, query)
        assert endpoint.name == f"{dialect} models"
        proper, _, name = path.partition("acme/")
        asked = incoming(method="GET", path="/v1/models/acme/" + name if name else proper)
        await endpoint.handler(asked, h.reply)
        assert b"acme/m" in h.reply.body


@pytest.mark.parametrize("path", ["/api/providers", "/v1/api/providers", "/v1", "/v1beta", "/api", "/health/ready"])
async def test_control_has_the_rest(path: str) -> None:
    async with house() as h:
        assert Routes(endpoints(h.pipeline, find_dialects())).find(path) is None


async def test_errors_of_all_paths_are_their_dialects() -> None:
    errors = (
        UnknownModel("no such model"), Overloaded("too much", retry_after_s=1),
        ClientError("too large", status=413, kind="too_large", code="body_too_large"),
    )  # fmt: skip
    async with house() as h:
        for endpoint in endpoints(h.pipeline, find_dialects()):
            for error in errors:
                body = msgspec.json.decode(endpoint.errors.body(error, "req_1"))
                assert error.message in (
                    body["error"] if endpoint.name.startswith("ollama") else body["error"]["message"]
                )
                assert 400 <= endpoint.errors.status(error) < 600
        anthropic = await served(h, "POST", "/v1/messages")
        assert anthropic.errors.status(errors[1]) == 529
        assert anthropic.errors.request_id_header == b"request-id"
