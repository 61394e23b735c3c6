"""The list of models, as ``GET /v1/models`` gives it, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from omniroute.errors import UnknownModel
from omniroute.translate.dialect import Asked, Listed, Listing

ONE: Final = "/v1/models/"


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


def models_body(_: Asked, models: Sequence[Listed]) -> bytes:
    """Body of ``GET /v1/models``."""
    return msgspec.json.encode(ModelList(tuple(_model(model) for model in models)))


def model_body(asked: Asked, models: Sequence[Listed]) -> bytes:
    """Body of ``GET /v1/models/{id}``. Raises UnknownModel."""
    name = asked.path.removeprefix(ONE)
    for model in models:
        if model.id == name:
            return msgspec.json.encode(_model(model))
    raise UnknownModel(
        f"There is no model '{name[:200]}' for this key. GET /v1/models lists what there is.", param="model"
    )


def _claims(_: Asked) -> bool:
    """Whoever asks for models in no other dialect's way asks in this one's."""
    return True


LISTINGS: Final = (
    Listing("GET", "/v1/models", _claims, models_body),
    Listing("GET", ONE + "{model}", _claims, model_body),
)


def _model(model: Listed) -> Model:
    provider, slash, _ = model.id.partition("/")
    return Model(model.id, model.created_epoch_s, provider if slash else "omniroute")
