"""Models as a Gemini client lists them."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import ClientError, UnknownModel
from omniroute.translate.dialect import Listed, Listing
from tests.translate.dialects.gemini.speech import near, request

_MODELS = [Listed("openai/gpt-4o", 0, 128_000, 16_384), Listed("a/b", 0), Listed("openai/o3", 0)]


def _listing(path: str) -> Listing:
    return next(listing for listing in near().listings if listing.path == path)


def _page(query: str = "", path: str = "/v1beta/models") -> dict[str, object]:
    return msgspec.json.decode(_listing(path).render(request(b"", path, query), _MODELS), type=dict[str, object])


def test_all_of_them_by_name() -> None:
    assert _page() == {
        "models": [
            {
                "name": f"models/{name}",
                "baseModelId": name,
                "version": "",
                "displayName": name,
                **limits,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }
            for name, limits in (
                ("a/b", {}),
                ("openai/gpt-4o", {"inputTokenLimit": 128_000, "outputTokenLimit": 16_384}),
                ("openai/o3", {}),
            )
        ]
    }


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_hold_every_model_once(size: int) -> None:
    found: list[str] = []
    token = ""
    for _ in range(4):
        page = _page(f"pageSize={size}&pageToken={token.replace('/', '%2F')}")
        models = page["models"]
        assert isinstance(models, list)
        assert len(models) <= size
        found += [model["baseModelId"] for model in models]
        token = str(page.get("nextPageToken", ""))
        if not token:
            break
    assert found == ["a/b", "openai/gpt-4o", "openai/o3"]


@pytest.mark.parametrize("size", ["-1", "x", "99999999999"])
def test_a_page_size_that_is_none(size: str) -> None:
    with pytest.raises(ClientError) as caught:
        _page(f"pageSize={size}")
    assert caught.value.param == "pageSize"


@pytest.mark.parametrize(
    "path", ["/v1beta/models/openai/o3", "/v1beta/models/models/openai/o3", "/v1/models/openai/o3"]
)
def test_one_of_them(path: str) -> None:
    prefix = "/v1beta" if path.startswith("/v1beta") else "/v1"
    body = _listing(f"{prefix}/models/{{model}}").render(request(b"", path), _MODELS)
    assert msgspec.json.decode(body)["name"] == "models/openai/o3"


def test_one_there_is_not() -> None:
    with pytest.raises(UnknownModel):
        _listing("/v1beta/models/{model}").render(request(b"", "/v1beta/models/gpt-9"), _MODELS)


def test_paths_others_have_too_are_claimed_for_googles_clients_only() -> None:
    for path in ("/v1/models", "/v1/models/{model}"):
        claims = _listing(path).claims
        assert claims(request(b"", path, headers={b"x-goog-api-key": b"k"}))
        assert claims(request(b"", path, headers={b"x-goog-api-client": b"google-genai-sdk/3"}))
        assert claims(request(b"", path, "key=k"))
        assert not claims(request(b"", path, "limit=5", headers={b"authorization": b"Bearer k"}))
    for path in ("/v1beta/models", "/v1beta/models/{model}"):
        assert _listing(path).claims(request(b"", path))
