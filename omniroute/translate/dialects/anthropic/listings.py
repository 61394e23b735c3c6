"""The lists of models Anthropic's clients ask for: ``GET /v1/models``, told from OpenAI's by ``anthropic-version``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs

import msgspec

from omniroute.errors import ClientError, UnknownModel
from omniroute.translate.dialect import Asked, Listed, Listing

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000
"""Both are the vendor's. Source: anthropic SDK 2.12, ``model_list_params.py``."""

MODELS: Final = "/v1/models"
_MAX_QUERY_FIELDS: Final = 16


class Model(msgspec.Struct, frozen=True, omit_defaults=True, tag="model", tag_field="type"):
    """One entry."""

    id: str
    display_name: str
    created_at: str
    lifecycle: str
    max_input_tokens: int = 0
    max_tokens: int = 0


class Page(msgspec.Struct, frozen=True):
    """A part of the list."""

    data: tuple[Model, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None


def claims(asked: Asked) -> bool:
    """Whether a client of Anthropic's asks: its SDKs always send this header."""
    return b"anthropic-version" in asked.headers


def render_list(asked: Asked, models: Sequence[Listed]) -> bytes:
    """A page of ``models``: ``limit`` of them after ``after_id`` or before ``before_id``."""
    query = _query(asked.query)
    limit = _limit(query.get("limit", ""))
    ids = [model.id for model in models]
    start, end = 0, len(models)
    if "after_id" in query:
        start = _place(ids, "after_id", query["after_id"]) + 1
    if "before_id" in query:
        end = _place(ids, "before_id", query["before_id"])
        start = max(start, end - limit)
    page = models[start : min(end, start + limit)]
    more = start > 0 if "before_id" in query else start + len(page) < len(models)
    return msgspec.json.encode(
        Page(
            tuple(_model(model) for model in page),
            has_more=more,
            first_id=page[0].id if page else None,
            last_id=page[-1].id if page else None,
        )
    )


def render_one(asked: Asked, models: Sequence[Listed]) -> bytes:
    """The model the path names. Raises UnknownModel."""
    wanted = asked.path.partition("/models")[2].strip("/")
    found = next((model for model in models if model.id == wanted), None)
    if found is None:
        raise UnknownModel(f"There is no model '{wanted}'. GET {MODELS} lists those there are.", param="model")
    return msgspec.json.encode(_model(found))


LISTINGS: Final = (
    Listing("GET", MODELS, claims, render_list),
    Listing("GET", MODELS + "/{model}", claims, render_one),
)


def _model(model: Listed) -> Model:
    created = datetime.fromtimestamp(model.created_epoch_s, UTC)
    return Model(
        model.id,
        model.id.partition("/")[2] or model.id,
        created.isoformat().replace("+00:00", "Z"),
        "active",
        model.context_tokens,
        model.output_tokens,
    )


def _query(raw: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(raw.decode("latin-1"), max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError as error:
        raise ClientError(f"The query has more than {_MAX_QUERY_FIELDS} fields.", param="query") from error
    return {name: values[-1] for name, values in fields.items()}


def _limit(raw: str) -> int:
    if not raw:
        return DEFAULT_LIMIT
    if not raw.isascii() or not raw.isdigit() or len(raw) > 4 or not 1 <= int(raw) <= MAX_LIMIT:
        raise ClientError(f"'limit' must be a whole number from 1 to {MAX_LIMIT}.", param="limit", code="invalid_value")
    return int(raw)


def _place(ids: Sequence[str], field: str, wanted: str) -> int:
    if wanted not in ids:
        raise ClientError(f"'{field}' names no model of the list.", param=field, code="invalid_value")
    return ids.index(wanted)
