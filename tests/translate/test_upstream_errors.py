"""What an upstream's error is taken for: every shape met, the vectors of the specification, and the recordings."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import MESSAGE_CHARS, UpstreamError
from omniroute.translate import error_body, read_error, read_stream_error, retryable

SHARED: Final = Path(__file__).parents[3] / "shared"
CASES: Final = SHARED / "spec" / "translation_cases.json"
NOTHING: Final = "The upstream answered with status 400 and no explanation."
PAGE: Final = "The upstream answered with status 400 and an HTML page instead of JSON."
AZURE: Final = b'{"error":{"message":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}'
BAD_KEY: Final = b'{"code":"invalid-argument","error":"Incorrect API key provided."}'
NO_MODEL: Final = b'{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}'
BEHIND: Final = b'{"error":{"message":"a","metadata":{"raw":"{\\"error\\":{\\"message\\":\\"b\\"}}"}}}'
RECORDED: Final = SHARED / "fixtures" / "recorded"


def error_cases() -> list[object]:
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="../shared/spec is not beside the repository"))]
    cases = msgspec.json.decode(CASES.read_bytes())["cases"]
    return [pytest.param(c, id=c["name"]) for c in cases if c["kind"] == "error" and c["to"] == "openai-chat"]


@pytest.mark.parametrize("case", error_cases())
def test_vectors_written_for_a_chat_client(case: dict[str, dict[str, object]]) -> None:
    given_body = case["input"]["body"]
    raw = given_body.encode() if isinstance(given_body, str) else msgspec.json.encode(given_body)
    error = read_error(int(str(case["input"]["status"])), (), raw)
    assert error.status == case["expected"]["status"]
    written = msgspec.json.decode(error_body(error, "req"))["error"]
    wanted = dict(case["expected"]["body"]["error"])  # type: ignore[index]
    for name in ("message", "type", "param", "code"):
        assert written[name] == wanted[name] or (wanted[name] == "<<any>>" and written[name])


@pytest.mark.parametrize(
    ("status", "body", "kind", "scope", "relayed"),
    [
        (400, b'{"error":{"message":"bad","code":"invalid_value"}}', "invalid_request", "client", 400),
        (422, b'{"detail":[{"msg":"field required","loc":["body","model"]}]}', "invalid_request", "client", 400),
        (400, b'{"error":{"code":"context_length_exceeded","message":"x"}}', "context_length", "client", 400),
        (400, b'{"message":"This model\'s maximum context length is 8 tokens"}', "context_length", "client", 400),
        (413, b'{"error":{"message":"Request too large"}}', "too_large", "client", 413),
        (400, b'{"error":{"code":"content_filter","message":"x"}}', "content_filter", "client", 400),
        (400, AZURE, "content_filter", "client", 400),
        (409, b"{}", "conflict", "client", 409),
        (401, b'{"error":{"message":"no","code":"context_length_exceeded"}}', "authentication", "connection", 401),
        (402, b'{"error":{"message":"Insufficient Balance"}}', "billing", "connection", 402),
        (400, b'{"type":"error","error":{"message":"Your credit balance is too low"}}', "billing", "connection", 402),
        (400, BAD_KEY, "invalid_request", "connection", 400),
        (403, b'{"error":{"message":"no"}}', "permission", "connection", 403),
        (403, b'{"error":{"message":"no access","code":"model_not_found"}}', "permission", "model", 403),
        (404, NO_MODEL, "not_found", "model", 404),
        (404, b'{"error":"model \'x\' not found"}', "not_found", "model", 404),
        (404, b'{"error":{"message":"No such File object: file-1"}}', "not_found", "client", 404),
        (404, b"<html>404</html>", "not_found", "connection", 404),
        (404, b"", "not_found", "connection", 404),
        (429, b'{"error":{"message":"slow"}}', "rate_limit", "connection", 429),
        (429, b'{"error":{"code":"insufficient_quota","message":"x"}}', "quota", "connection", 429),
        (429, b'{"error":{"message":"You exceeded your current quota"}}', "quota", "connection", 429),
        (500, b'{"error":{"message":"x"}}', "server", "provider", 500),
        (500, b'{"error":{"message":"x","code":"context_length_exceeded"}}', "server", "provider", 500),
        (502, b"", "server", "provider", 502),
        (521, b"", "server", "provider", 502),
        (503, b"", "overloaded", "provider", 503),
        (529, b"", "overloaded", "provider", 503),
        (408, b"", "timeout", "provider", 504),
        (504, b"", "timeout", "provider", 504),
        (524, b"", "timeout", "provider", 504),
        (302, b"", "server", "provider", 502),
        (418, b"", "invalid_request", "client", 400),
        (200, b'{"error":{"message":"x","code":429}}', "rate_limit", "connection", 429),
        (200, b'{"error":{"message":"x","status_code":400}}', "invalid_request", "client", 400),
        (200, b'{"error":{"message":"x","type":"overloaded_error"}}', "overloaded", "provider", 503),
        (200, b'{"error":{"message":"x"}}', "server", "provider", 502),
        (200, b'[{"error":{"message":"x","status":"UNAUTHENTICATED"}}]', "authentication", "connection", 401),
    ],
)  # fmt: skip
def test_kind_scope_and_status(status: int, body: bytes, kind: str, scope: str, relayed: int) -> None:
    error = read_error(status, (), body)
    assert (error.kind, error.scope, error.status) == (kind, scope, relayed)
    assert error.answered
    assert retryable(error) is (scope != "client")
    assert error.body == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"error":"a"}', "a"),
        (b'{"detail":"a"}', "a"),
        (b'{"detail":[{"msg":"a","loc":["body",0,"x"]},{"msg":"b"}]}', "body.0.x: a; b"),
        (b'{"message":"a","type":"t","code":3}', "a"),
        (b'{"errors":[{"message":"a"}]}', "a"),
        (b'{"errors":["a"]}', "a"),
        (b'[{"error":{"message":"a"}}]', "a"),
        (b'"a"', "a"),
        (b"a", "a"),
        (b'{"error":{"message":"a","metadata":{"raw":"b"}}}', "a: b"),
        (BEHIND, "a: b"),
        (b'{"error":{"message":"a","metadata":{"raw":"<html>"}}}', "a"),
        (b"<!DOCTYPE html><html>sk-12345678</html>", PAGE),
        (b'{"error":"<html>x</html>"}', PAGE),
        (b"", NOTHING),
        (b"{}", NOTHING),
        (b'{"error":{"message":"a","metadata":{"raw":"' + b"[" * 50_000 + b'"}}}', "a: " + "[" * 1997),
        (b"[" * 50_000, "[" * 2000),
        (b"[]", NOTHING),
        (b'{"error":{"message":null}}', NOTHING),
    ],
)  # fmt: skip
def test_message_of_every_shape(body: bytes, message: str) -> None:
    assert read_error(400, (), body).message == message


def test_param_and_code_are_relayed() -> None:
    error = read_error(400, (), b'{"error":{"message":"bad","param":"messages[0]","code":"invalid_value"}}')
    assert (error.param, error.code) == ("messages[0]", "invalid_value")
    assert read_error(400, (), b'{"error":{"message":"bad","code":7}}').code == ""
    assert read_error(500, (), b'{"error":{"message":"bad","code":"x"}}').code == "x"


def test_long_messages_are_cut_and_secrets_masked() -> None:
    error = read_error(
        401, (), b'{"error":{"message":"Incorrect API key provided: sk-abcdefgh12345678. ' + b"x" * 5000 + b'"}}'
    )
    assert len(error.message) == MESSAGE_CHARS
    assert "sk-" not in error.message
    assert "Incorrect API key provided: ***" in error.message


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        (((b"retry-after-ms", b"1500"), (b"retry-after", b"9")), b"", 1.5),
        (((b"retry-after", b"20"),), b"", 20.0),
        (((b"retry-after", b"Sun, 22 Nov 2026 10:00:30 GMT"), (b"date", b"Sun, 22 Nov 2026 10:00:00 GMT")), b"", 30.0),
        (((b"retry-after", b"Sun, 22 Nov 2026 10:00:30 GMT"),), b"", None),
        ((), b'{"error":{"message":"x","details":[{"retryDelay":"17s"}]}}', 17.0),
        (((b"x-ratelimit-reset-requests", b"1s"), (b"x-ratelimit-reset-tokens", b"6m0s")), b"", 360.0),
        (
            (
                (b"x-ratelimit-reset-requests", b"120ms"), (b"x-ratelimit-remaining-requests", b"0"),
                (b"x-ratelimit-reset-tokens", b"6m0s"),
            ),
            b"", 0.12,
        ),
        ((), b'{"error":{"message":"Limit 3. Please try again in 20s. Visit x"}}', 20.0),
        ((), b'{"error":{"message":"Please try again in 1m30.5s."}}', 90.5),
        ((), b'{"error":{"message":"Please retry after 12 seconds."}}', 12.0),
        ((), b'{"error":{"message":"slow"}}', None),
        ((), b'{"error":{"message":"retry' + b" " * 60_000 + b'"}}', None),  # in time linear in its length
    ],
)  # fmt: skip
def test_when_to_come_back(headers: tuple[tuple[bytes, bytes], ...], body: bytes, seconds: float | None) -> None:
    assert read_error(429, headers, body).retry_after_s == seconds


def test_reset_headers_of_a_refused_request_are_not_a_reason_to_wait() -> None:
    assert read_error(400, ((b"x-ratelimit-reset-requests", b"1s"),), b"{}").retry_after_s is None


def test_a_google_quota_that_says_when_to_come_back_is_a_rate() -> None:
    body = b'{"error":{"code":429,"message":"You exceeded your current quota","details":[{"retryDelay":"17s"}]}}'
    assert read_error(429, (), body).kind == "rate_limit"


def test_stream_errors() -> None:
    error = read_stream_error(b'{"message":"bad","code":"tool_use_failed","status_code":400}')
    assert (error.status, error.code, error.message, error.scope) == (400, "tool_use_failed", "bad", "client")
    assert read_stream_error(b'"text"').message == "text"
    assert read_stream_error(b"false").status == 502


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/fixtures is not beside the repository")
@pytest.mark.parametrize(
    ("name", "kind", "scope"),
    [
        ("openai-chat/error-400-image-url", "invalid_request", "client"),
        ("openai-chat/error-404-model", "not_found", "model"),
        ("openai-chat/azure-content-filter-body", "content_filter", "client"),
        ("deepseek/error-401", "authentication", "connection"),
        ("openrouter/error-429-wrapped", "rate_limit", "connection"),
        ("provider/azure-error-429", "rate_limit", "connection"),
        ("provider/groq-error-400-tool-use-failed", "invalid_request", "client"),
        ("provider/mistral-error-401", "authentication", "connection"),
        ("provider/perplexity-error-401", "authentication", "connection"),
        ("provider/xai-error-400", "invalid_request", "connection"),
        ("gemini/error-400-api-key", "authentication", "connection"),
        ("anthropic/error-400-prompt-too-long", "context_length", "client"),
        ("ollama/error-404", "not_found", "model"),
    ],
)
def test_recorded_errors(name: str, kind: str, scope: str) -> None:
    status = 400 if name.endswith("body") else int(name.split("error-")[1][:3])
    body = (RECORDED / f"{name}.json").read_bytes()
    error = read_error(status, (), body)
    assert (error.kind, error.scope) == (kind, scope)
    assert "no explanation" not in error.message


NAMES: Final = (
    "error", "errors", "detail", "details", "message", "msg", "loc", "code", "type", "status", "metadata", "raw",
    "innererror", "retryDelay", "reason", "param",
)  # fmt: skip
json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 600) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)


@given(st.integers(200, 599), json_like.map(msgspec.json.encode) | st.binary(max_size=40))
def test_no_body_is_too_odd(status: int, body: bytes) -> None:
    error = read_error(status, (), body)
    assert isinstance(error, UpstreamError)
    assert error.message
    assert 400 <= error.status <= 599
    msgspec.json.decode(error_body(error, "req"))
