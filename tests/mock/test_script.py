import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.mock import ALIASES, PARAMETERS, BadScript, Script, apply
from omniroute.mock.script import Parameter, for_model

SAMPLES = {"duration": "200ms", "count": "3", "size": "1MB", "word": "stop", "flag": "", "json": '{"a": [1, 2]}'}


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_every_parameter_sets_the_field_it_names(parameter: Parameter) -> None:
    value = {"framing": "bad-chunk", "status": "429"}.get(parameter.name, SAMPLES[parameter.shape])
    text = f"{parameter.name}={value}" if value else parameter.name
    changed = apply(Script(), text)
    assert getattr(changed, parameter.field) != getattr(Script(), parameter.field)


def test_every_field_has_a_parameter() -> None:
    assert {parameter.field for parameter in PARAMETERS} == set(Script.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Script()),
        ("delay=200ms; pace=1.5s", Script(delay_s=0.2, pace_s=1.5)),
        ("status=429,retry-after=3", Script(status=429, retry_after=3)),
        ("big-event=1MB", Script(big_event=1024 * 1024)),
        ("big-event=300", Script(big_event=300)),
        (" html ;; ", Script(html=True)),
        ("rst-after=0", Script(rst_after=0)),
        ("pace=1s;pace=2s", Script(pace_s=2.0)),
        (
            'arguments={"a": "x;y,\\"}", "b": [1.0, 2]};calls=2',
            Script(arguments='{"a":"x;y,\\"}","b":[1.0,2]}', calls=2),
        ),
        ('document="a;b", call=f', Script(document='"a;b"', call="f")),
    ],
)
def test_reads(text: str, expected: Script) -> None:
    assert apply(Script(), text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dely=3s", "unknown parameter 'dely'"),
        ("delay", "needs a value"),
        ("delay=3", "say a duration"),
        ("delay=61m", "between 0 and 3600"),
        ("html=yes", "takes no value"),
        ("tokens=-1", "whole number"),
        ("tokens=1000001", "between 0 and 1e+06"),
        ("status=99", "between 200 and 599"),
        ("split=0", "between 1"),
        ("big-event=1GB", "say a size"),
        ("framing=odd", "say one of bad-chunk"),
        ("code=a b", "letters"),
        ("arguments=[1]", "JSON object"),
        ('arguments={"a":', "say JSON"),
        ("calls=0", "between 1 and 128"),
        ("finish=gone", "say one of stop"),
        ("x" * 1001, "at most 1000 characters"),
    ],
)
def test_refuses_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(BadScript, match=says.replace("+", r"\+")):
        apply(Script(), text)


def test_a_model_brings_its_alias_then_its_own_text() -> None:
    assert for_model(Script(pace_s=1.0), "mock/limited;retry-after=9") == Script(pace_s=1.0, status=429, retry_after=9)
    assert for_model(Script(), "anything") == Script()


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_is_a_script(alias: str) -> None:
    apply(Script(), ALIASES[alias])


@given(st.text(max_size=60))
def test_any_text_is_a_script_or_refused(text: str) -> None:
    with contextlib.suppress(BadScript):  # anything else fails the test
        assert isinstance(apply(Script(), text), Script)
