"""Which targets serve a model, in what order, for whom."""

from __future__ import annotations

import pytest

from omniroute.errors import Forbidden, UnknownModel
from omniroute.pipeline.plan import plan
from tests.pipeline.house import caller, connection, snapshot

KNOWN = snapshot(
    connection("slow", priority=50),
    connection("first", priority=10),
    connection("other-model", models=("x", "shared")),
    connection("any", "open", models=(), priority=1),
    connection("only", "rival", models=("shared", "vendor/with-slash"), priority=20),
)


def planned(model: str, **limits: object) -> list[str]:
    return [f"{t.connection.label} {t.model}" for t in plan(model, caller(**limits), KNOWN).targets]


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        ("acme/m", ["first m", "slow m"]),
        ("acme/x", ["other-model x"]),
        ("m", ["first m", "slow m"]),
        ("open/whatever/it-is", ["any whatever/it-is"]),
        ("shared", ["only shared"]),  # the provider that lists it with the best priority
        ("vendor/with-slash", ["only vendor/with-slash"]),  # vendor is no provider of ours
    ],
)
def test_targets_in_order(model: str, targets: list[str]) -> None:
    assert planned(model) == targets


@pytest.mark.parametrize("model", ["acme/none", "nobody/m", "whatever", ""])
def test_a_model_nobody_serves(model: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        planned(model)
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


def test_a_key_sees_only_its_models_whatever_the_spelling() -> None:
    assert planned("m", allowed_models=("acme/*",)) == ["first m", "slow m"]
    for spelling in ("shared", "rival/shared"):
        with pytest.raises(Forbidden) as caught:
            planned(spelling, allowed_models=("acme/*",))
        assert caught.value.code == "model_not_allowed"


def test_a_key_sees_only_its_connections() -> None:
    assert planned("m", allowed_connections=("con_acme_slow",)) == ["slow m"]
    with pytest.raises(Forbidden) as caught:
        planned("m", allowed_connections=("con_open_any",))
    assert caught.value.code == "connection_not_allowed"
