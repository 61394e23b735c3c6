"""The list of models and one of it."""

import msgspec

from omniroute.translate import model_body, models_body


def test_list_and_entry() -> None:
    entry = {"id": "demo/echo", "object": "model", "created": 7, "owned_by": "demo"}
    assert msgspec.json.decode(model_body("demo/echo", 7)) == entry
    assert msgspec.json.decode(models_body(["demo/echo", "combo"], 7)) == {
        "object": "list",
        "data": [entry, {"id": "combo", "object": "model", "created": 7, "owned_by": "omniroute"}],
    }
    assert msgspec.json.decode(models_body([], 7)) == {"object": "list", "data": []}
