"""The list of models, as ``GET /v1/models`` gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec


class Model(msgspec.Struct, frozen=True):
    """One entry. ``owned_by`` is the provider, the prefix of the id."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct, frozen=True):
    """All of them."""

    data: tuple[Model, ...]
    object: Literal["list"] = "list"


def models_body(models: Iterable[str], created_epoch_s: int) -> bytes:
    """Body for ``provider/model`` ids; vendors' dates are not known, so ``created`` is that of the configuration."""
    return msgspec.json.encode(ModelList(tuple(_model(model, created_epoch_s) for model in models)))


def model_body(model: str, created_epoch_s: int) -> bytes:
    """Body of ``GET /v1/models/{id}``."""
    return msgspec.json.encode(_model(model, created_epoch_s))


def _model(model: str, created_epoch_s: int) -> Model:
    provider, slash, _ = model.partition("/")
    return Model(model, created_epoch_s, provider if slash else "omniroute")
