"""Lists of models as a Gemini client reads them (``models.list``, ``models.get``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

import msgspec

from omniroute.errors import ClientError, UnknownModel
from omniroute.translate.dialect import Asked, Listed, Listing
from omniroute.translate.dialects.gemini.peek import bare
from omniroute.translate.dialects.gemini.schema import Wire

# Source: reference of models.list, pageSize: "if unspecified, 50 models ... at most 1000".
PAGE: Final = 50
MAX_PAGE: Final = 1000

_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_BETA: Final = "/v1beta/models"
_PLAIN: Final = "/v1/models"
_GOOGLE_HEADERS: Final = (b"x-goog-api-key", b"x-goog-api-client")


class Model(Wire, frozen=True, kw_only=True):
    """One model; the limits only where they are known."""

    name: str
    base_model_id: str
    version: str
    display_name: str
    input_token_limit: int = 0
    output_token_limit: int = 0
    supported_generation_methods: tuple[str, ...]


class ModelList(Wire, frozen=True, kw_only=True):
    """A page of them."""

    models: list[Model]
    next_page_token: str = ""


def _always(asked: Asked) -> bool:
    del asked
    return True


def _from_google(asked: Asked) -> bool:
    """Whether a client of Google's asks: only they send these headers, or their key in the query."""
    return any(name in asked.headers for name in _GOOGLE_HEADERS) or b"key" in _query(asked)


def _list(asked: Asked, listed: Sequence[Listed]) -> bytes:
    """A page of models, by name; ``pageToken`` is the name of the last one of the page before."""
    query = _query(asked)
    size = _page_size(query.get(b"pageSize", query.get(b"page_size", [b""]))[-1])
    after = query.get(b"pageToken", query.get(b"page_token", [b""]))[-1].decode("utf-8", "replace")
    models = sorted((model for model in listed if model.id > after), key=lambda model: model.id)
    page = models[:size]
    more = page[-1].id if len(models) > size else ""
    return msgspec.json.encode(ModelList(models=[_model(model) for model in page], next_page_token=more))


def _one(asked: Asked, listed: Sequence[Listed]) -> bytes:
    """One model."""
    prefix = _BETA if asked.path.startswith(_BETA) else _PLAIN
    name = bare(asked.path.removeprefix(f"{prefix}/"))
    found = next((model for model in listed if model.id == name), None)
    if found is None:
        raise UnknownModel(f"There is no model {name!r}. GET {prefix} lists those there are.", param="name")
    return msgspec.json.encode(_model(found))


def _model(listed: Listed) -> Model:
    return Model(
        name=f"models/{listed.id}",
        base_model_id=listed.id,
        version="",
        display_name=listed.id,
        input_token_limit=listed.context_tokens,
        output_token_limit=listed.output_tokens,
        supported_generation_methods=_METHODS,
    )


def _page_size(raw: bytes) -> int:
    if not raw:
        return PAGE
    if not raw.isdigit() or len(raw) > 9:
        raise ClientError(
            f"'pageSize' must be a whole number from 1 to {MAX_PAGE}.", param="pageSize", code="invalid_value"
        )
    return min(int(raw), MAX_PAGE) or PAGE


def _query(asked: Asked) -> dict[bytes, list[bytes]]:
    return parse_qs(asked.query, max_num_fields=None)


LISTINGS: Final = (
    Listing("GET", _BETA, _always, _list),
    Listing("GET", f"{_BETA}/{{model}}", _always, _one),
    Listing("GET", _PLAIN, _from_google, _list),
    Listing("GET", f"{_PLAIN}/{{model}}", _from_google, _one),
)
