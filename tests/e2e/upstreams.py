"""An upstream of every dialect for a whole test session: one mock, a process of its own, and connections of the gateway to it.

All of it is synchronous, as most programs that use an SDK are: a test is a program.
"""

from __future__ import annotations

from typing import Final, TypeVar

import httpx
import msgspec
import pydantic
import trio

from tests.e2e.standing import Standing

DIALECTS: Final = {
    "openai_chat": "/v1",
    "openai_responses": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "ollama": "",
}
"""What upstreams speak, and what of the mock's URL belongs to a connection's."""
QUIRKS: Final[dict[str, dict[str, object]]] = {"openai_responses": {"responses_reasoning": True}}
"""What is known of the mock: it is a model that reasons."""

TEXT: Final = "What is  the weather in Paris, Zürich and 東京?"
PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG, as base64."""

Model = TypeVar("Model", bound=pydantic.BaseModel)


class Sent(msgspec.Struct, frozen=True):
    """What the mock was sent last."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: msgspec.Raw

    @property
    def text(self) -> str:
        """The body as it was spelled."""
        return bytes(self.body).decode()

    @property
    def json(self) -> dict[str, object]:
        return dict(msgspec.json.decode(self.body))


class Upstream:
    """A connection of the gateway to the mock, in one dialect."""

    def __init__(self, gateway: Standing, mock_url: str, dialect: str, provider: str) -> None:
        self.gateway = gateway
        self.mock_url = mock_url
        self.dialect = dialect
        self.provider = provider

    def model(self, script: str = "echo") -> str:
        """A model as clients ask for it; a script of the mock's rides on its name."""
        return f"{self.provider}/{script}"

    def sent(self) -> Sent:
        """The last request the mock got, from whomever: tests run one after another."""
        return msgspec.json.decode(self._told("last"), type=Sent)

    def counts(self, what: str = "begun") -> int:
        """How many requests the mock has got, or how many of them went this way."""
        return int(msgspec.json.decode(self._told("counts"))["total"][what])

    def _told(self, what: str) -> bytes:
        # unverified, since reading the system's certificates takes longer than most tests
        return httpx.get(f"{self.mock_url}/mock/{what}", verify=False).raise_for_status().content

    def fresh(self, **fields: object) -> Upstream:
        """The same over a connection of its own, for what may be held against a connection (its failures)."""
        return connected(self.gateway, self.mock_url, self.dialect, **fields)


def connected(gateway: Standing, mock_url: str, dialect: str, **fields: object) -> Upstream:
    """A new connection. Without a list of models it passes on every name, so that scripts may ride on it."""
    wanted: dict[str, object] = {"models": [], "dialect": dialect, "quirks": QUIRKS.get(dialect, {}), **fields}

    async def connect() -> str:
        return await gateway.connect(mock_url + DIALECTS[dialect], **wanted)  # type: ignore[arg-type]  # names of a form

    return Upstream(gateway, mock_url, dialect, trio.run(connect))


def checked(model: Model) -> Model:
    """``model``, whose JSON its own class accepts: the SDKs themselves build their types from anything."""
    type(model).model_validate(model.to_dict(mode="json"))  # type: ignore[attr-defined]  # both SDKs' base class has it
    return model
