"""Lists of models, in the shapes Ollama's own client reads."""

from __future__ import annotations

import msgspec
import ollama
import pytest

from omniroute.errors import ClientError, UnknownModel
from omniroute.translate.dialect import Listed
from tests.translate.dialects.ollama.asking import CLIENT, Request

MODELS = (Listed("openai/gpt", 1_700_000_000, 128_000, 4096), Listed("alias", 1_700_000_000))


def answered(method: str, path: str, body: bytes = b"") -> bytes:
    (listing,) = [one for one in CLIENT.listings if (one.method, one.path) == (method, path)]
    request = Request(body, path)
    assert listing.claims(request)
    return listing.render(request, MODELS)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_tags(prefix: str) -> None:
    found = ollama.ListResponse.model_validate_json(answered("GET", f"{prefix}/api/tags"))
    assert [model.model for model in found.models] == ["openai/gpt", "alias"]
    assert [model.details.family for model in found.models if model.details] == ["openai", "omniroute"]
    assert all(model.digest and len(model.digest) == 64 for model in found.models)


def test_nothing_runs_here() -> None:
    assert ollama.ProcessResponse.model_validate_json(answered("GET", "/api/ps")).models == []


def test_version() -> None:
    version = msgspec.json.decode(answered("GET", "/api/version"))["version"]
    assert [int(part) for part in version.split(".")] >= [0, 6, 4]


@pytest.mark.parametrize("member", ["model", "name"])
def test_show(member: str) -> None:
    raw = answered("POST", "/api/show", msgspec.json.encode({member: "openai/gpt", "verbose": True}))
    shown = ollama.ShowResponse.model_validate_json(raw)
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo == {
        "general.architecture": "openai",
        "general.basename": "openai/gpt",
        "openai.context_length": 128_000,
        "openai.max_output_tokens": 4096,
    }
    assert "context_length" not in answered("POST", "/api/show", b'{"model":"alias"}').decode()


def test_show_what_is_not_there() -> None:
    with pytest.raises(UnknownModel, match="model 'x' not found"):
        answered("POST", "/api/show", b'{"model":"x"}')
    for body in (b"{}", b'{"model":5}', b"[]", b""):
        with pytest.raises(ClientError):
            answered("POST", "/api/show", body)
