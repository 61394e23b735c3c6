"""What Ollama's clients ask before they ask a model: which there are, what one can do, which version this is."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from omniroute.errors import UnknownModel
from omniroute.translate.dialect import Asked, Listed, Listing
from omniroute.translate.dialects.ollama.answer import timestamp
from omniroute.translate.peeking import model_at
from omniroute.translate.reading import read_body

API_VERSION: Final = "0.13.0"
"""The release of Ollama whose API this is; clients refuse to talk to one that is too old for tools or thinking."""

CAPABILITIES: Final = ("completion", "tools")
"""What clients look for before they offer a model. The configuration does not say which models see or think."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is made of, as far as it is known: whose it is."""

    parent_model: str = ""
    format: str = ""
    family: str
    families: tuple[str, ...]
    parameter_size: str = ""
    quantization_level: str = ""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A model of ``/api/tags``. ``size`` 0: nothing of it is stored here."""

    name: str
    model: str
    modified_at: str
    size: int = 0
    digest: str
    details: Details


class Tags(msgspec.Struct, frozen=True):
    """``GET /api/tags``."""

    models: tuple[Tag, ...]


class Version(msgspec.Struct, frozen=True):
    """``GET /api/version``."""

    version: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """``POST /api/show``."""

    modelfile: str
    parameters: str = ""
    template: str = ""
    details: Details
    model_info: dict[str, int | str]
    capabilities: tuple[str, ...]
    modified_at: str


class ShowBody(msgspec.Struct, frozen=True):
    """What ``/api/show`` is asked; ``name`` is what older clients call the model."""

    model: msgspec.Raw = msgspec.Raw()
    name: msgspec.Raw = msgspec.Raw()


_show: Final = msgspec.json.Decoder(ShowBody)


def tags(asked: Asked, models: Sequence[Listed]) -> bytes:
    """All models a caller can call."""
    del asked
    return msgspec.json.encode(Tags(tuple(map(_tag, models))))


def running(asked: Asked, models: Sequence[Listed]) -> bytes:
    """``GET /api/ps``: no model is loaded here."""
    del asked, models
    return msgspec.json.encode(Tags(()))


def version(asked: Asked, models: Sequence[Listed]) -> bytes:
    """The version of the API."""
    del asked, models
    return msgspec.json.encode(Version(API_VERSION))


def show(asked: Asked, models: Sequence[Listed]) -> bytes:
    """One model. Raises UnknownModel, ClientError."""
    told = read_body(_show, asked.body)
    raw = bytes(told.model) or bytes(told.name)
    name = model_at(raw, (0, len(raw)) if raw else None)
    found = next((model for model in models if model.id == name), None)
    if found is None:
        raise UnknownModel(f"model '{name}' not found", param="model")
    known = {"context_length": found.context_tokens, "max_output_tokens": found.output_tokens}
    details = _details(found.id)
    info: dict[str, int | str] = {"general.architecture": details.family, "general.basename": found.id}
    info |= {f"{details.family}.{name}": value for name, value in known.items() if value}
    return msgspec.json.encode(
        Shown(
            modelfile=f"FROM {found.id}\n",
            details=details,
            model_info=info,
            capabilities=CAPABILITIES,
            modified_at=timestamp(found.created_epoch_s),
        )
    )


def _tag(model: Listed) -> Tag:
    return Tag(
        name=model.id,
        model=model.id,
        modified_at=timestamp(model.created_epoch_s),
        digest=sha256(model.id.encode()).hexdigest(),
        details=_details(model.id),
    )


def _details(model: str) -> Details:
    provider, slash, _ = model.partition("/")
    family = provider if slash else "omniroute"
    return Details(family=family, families=(family,))


def _always(asked: Asked) -> bool:
    del asked
    return True  # the paths are Ollama's own


LISTINGS: Final = tuple(
    Listing(method, prefix + path, _always, render)
    for prefix in ("", "/v1")
    for method, path, render in (
        ("GET", "/api/tags", tags),
        ("GET", "/api/ps", running),
        ("GET", "/api/version", version),
        ("POST", "/api/show", show),
    )
)
