"""The list of models and one of it."""

import msgspec
import pytest

from omniroute.errors import UnknownModel
from omniroute.translate import Listed
from omniroute.translate.dialects.openai_chat.listings import LISTINGS
from tests.translate.dialects.openai_chat.asking import Asking


def test_list_and_entry() -> None:
    every, one = LISTINGS
    models = [Listed("demo/echo", 7), Listed("combo", 7)]
    assert (every.path, one.path) == ("/v1/models", "/v1/models/{model}")
    entry = {"id": "demo/echo", "object": "model", "created": 7, "owned_by": "demo"}
    asked = Asking(b"", path="/v1/models/demo/echo")
    assert every.claims(asked)
    assert one.claims(asked)
    assert msgspec.json.decode(one.render(asked, models)) == entry
    assert msgspec.json.decode(every.render(asked, models)) == {
        "object": "list",
        "data": [entry, {"id": "combo", "object": "model", "created": 7, "owned_by": "omniroute"}],
    }
    assert msgspec.json.decode(every.render(asked, [])) == {"object": "list", "data": []}


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownModel, match="no model 'demo/other'"):
        LISTINGS[1].render(Asking(b"", path="/v1/models/demo/other"), [Listed("demo/echo", 7)])
