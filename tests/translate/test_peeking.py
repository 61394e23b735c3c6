"""Facts found in a body's bytes, and the one form of each error about them."""

from __future__ import annotations

import pytest

from omniroute.errors import ClientError
from omniroute.translate import find_dialects
from omniroute.translate.peeking import MAX_CHOICES, MODEL_CHARS, choices_of, list_at, spans_of, switch_at, with_model

CLIENTS = {name: dialect.client for name, dialect in find_dialects().items() if dialect.client is not None}
PATHS = {"gemini": "/v1beta/models/m:generateContent"}


class Request:
    query = b""
    headers: dict[bytes, bytes] = {}  # noqa: RUF012 - never written

    def __init__(self, path: str, body: bytes) -> None:
        self.path = path
        self.body = body


def refused(name: str, body: bytes) -> ClientError:
    client = CLIENTS[name]
    with pytest.raises(ClientError) as caught:
        client.peek(Request(PATHS.get(name, client.endpoints[0].path), body))
    assert caught.value.status == 400
    return caught.value


ACTED_ON = {("model", name) for name in CLIENTS} | {("stream", name) for name in CLIENTS if name != "gemini"}


@pytest.mark.parametrize(("field", "name"), sorted(one for one in ACTED_ON if one[1] != "openai_completions"))
def test_a_field_given_twice_is_refused_by_every_dialect_that_acts_on_it(name: str, field: str) -> None:
    """Readers differ in which of the two they take. (The one dialect that never passes bytes on reads bodies whole.)"""
    body = b'{"model":"m","contents":[],"messages":[],"input":"","%b":true,"%b":false}' % ((field.encode(),) * 2)
    error = refused(name, body)
    assert error.param == field
    assert "more than once" in error.message


@pytest.mark.parametrize("name", sorted(CLIENTS))
@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'{"model":"m"'])
def test_what_is_no_object_is_refused_by_every_dialect(name: str, body: bytes) -> None:
    assert refused(name, body).message


@pytest.mark.parametrize("name", sorted(set(CLIENTS) - {"gemini"}))
@pytest.mark.parametrize("model", ["", "a" * (MODEL_CHARS + 1), "a\\nb"])
def test_a_model_must_be_a_name(name: str, model: str) -> None:
    body = b'{"model":"%b","messages":[],"input":"","prompt":"x"}' % model.encode()
    error = refused(name, body)
    assert (error.param, error.code) == ("model", "invalid_value")


def test_spans_name_the_object_within_the_request() -> None:
    with pytest.raises(ClientError) as caught:
        spans_of(b'{"a":1,"a":2}', (b"a",), "'a'", at="options")
    assert caught.value.param == "options.a"


def test_switches_and_lists() -> None:
    body = b'{"on":true,"off":false,"null":null,"odd":1,"list":[]}'
    on, off, null, odd, listed = spans_of(body, (b"on", b"off", b"null", b"odd", b"list"), "")
    assert [switch_at(body, span, "f") for span in (on, off, null, None)] == [True, False, False, False]
    with pytest.raises(ClientError, match="'odd' must be true or false"):
        switch_at(body, odd, "odd")
    list_at(body, listed, "list", "messages")
    with pytest.raises(ClientError, match="'on' must be a list of messages"):
        list_at(body, on, "on", "messages")
    with pytest.raises(ClientError, match="'gone' is missing"):
        list_at(body, None, "gone", "messages")


@pytest.mark.parametrize("count", [0, -1, MAX_CHOICES + 1])
def test_how_many_answers(count: int) -> None:
    assert (choices_of(None, "n"), choices_of(3, "n")) == (1, 3)
    with pytest.raises(ClientError, match="'n' must be a whole number from 1 to 256"):
        choices_of(count, "n")


def test_the_models_name_is_replaced_and_nothing_else() -> None:
    body = b'{ "messages" : [1.0] , "model":"a" }'
    (span,) = spans_of(body, (b"model",), "")
    assert b"".join(with_model(body, span, 'b"c')) == b'{ "messages" : [1.0] , "model":"b\\"c" }'
    assert with_model(body, None, "b") == (body,)
