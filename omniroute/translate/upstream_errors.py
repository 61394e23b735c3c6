"""Read what an upstream answered instead of an answer: whose fault it was, in what words, and when to come back.

Shared by all dialects: vendors that speak one dialect answer errors in the shapes of another, so each shape is looked
for everywhere (translation.md §14.1 lists them). Order of evidence: the HTTP status, then the vendor's code, then
its prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeGuard

import msgspec

from omniroute.errors import MESSAGE_CHARS, Kind, Scope, UpstreamError
from omniroute.translate import retry_after
from omniroute.translate.masking import mask
from omniroute.translate.vendor_json import decode_vendor

BODY_BYTES: Final = 64 * 1024
"""An error body beyond this is cut before it is read: no vendor explains itself at such length."""

_MASKED_CHARS: Final = 8 * MESSAGE_CHARS  # masking shortens, so it is done on more than is kept

_KINDS: Final[dict[int, Kind]] = {
    400: "invalid_request", 401: "authentication", 402: "billing", 403: "permission", 404: "not_found", 408: "timeout",
    409: "conflict", 410: "not_found", 413: "too_large", 429: "rate_limit", 451: "permission",
    498: "overloaded",  # Groq: flex capacity exceeded
    499: "server",  # Google: cancelled on their side
    503: "overloaded", 504: "timeout",
    522: "timeout", 524: "timeout",  # Cloudflare: the origin did not answer in time
    529: "overloaded",  # Anthropic
}  # fmt: skip

# Words that say what a status cannot: in an error under HTTP 200, or more closely than the status does.
_WORDS: Final[dict[str, Kind]] = {
    "context_length_exceeded": "context_length", "content_filter": "content_filter", "content_policy_violation":
    "content_filter", "responsibleaipolicyviolation": "content_filter", "api_key_invalid": "authentication",
    "insufficient_quota": "quota", "billing_hard_limit_reached": "quota", "quota_exceeded": "quota",
    "billing_error": "billing", "insufficient_balance": "billing",
    "authentication_error": "authentication", "invalid_api_key": "authentication", "unauthenticated": "authentication",
    "permission_error": "permission", "permission_denied": "permission",
    "not_found_error": "not_found", "model_not_found": "not_found", "not_found": "not_found",
    "rate_limit_error": "rate_limit", "rate_limit_exceeded": "rate_limit", "resource_exhausted": "rate_limit",
    "rate_limit": "rate_limit", "too_many_requests": "rate_limit",
    "overloaded_error": "overloaded", "overloaded": "overloaded", "unavailable": "overloaded",
    "insufficient_system_resource": "overloaded", "timeout_error": "timeout", "timeout": "timeout",
    "deadline_exceeded": "timeout", "request_too_large": "too_large", "invalid_request_error": "invalid_request",
    "invalid_argument": "invalid_request", "server_error": "server", "api_error": "server", "internal": "server",
    "internal_server_error": "server",
}  # fmt: skip

_STATUS: Final[dict[Kind, int]] = {
    "invalid_request": 400, "unsupported": 400, "context_length": 400, "content_filter": 400, "authentication": 401,
    "billing": 402, "permission": 403, "not_found": 404, "conflict": 409, "too_large": 413, "rate_limit": 429,
    "quota": 429, "server": 502, "upstream_incomplete": 502, "overloaded": 503, "timeout": 504,
}  # fmt: skip

# Codes the table of translation.md §14.2 fixes; of the other kinds the upstream's own is relayed, or null.
CODES: Final[dict[Kind, str]] = {
    "context_length": "context_length_exceeded", "content_filter": "content_filter", "authentication":
    "invalid_api_key", "conflict": "conflict", "too_large": "request_too_large", "rate_limit": "rate_limit_exceeded",
    "quota": "insufficient_quota", "overloaded": "overloaded", "timeout": "gateway_timeout",
}  # fmt: skip

_CLIENT_KINDS: Final = frozenset(
    {"invalid_request", "context_length", "content_filter", "unsupported", "conflict", "too_large"}
)
_CONNECTION_KINDS: Final = frozenset({"authentication", "billing", "permission", "rate_limit", "quota"})

_CONTEXT: Final = re.compile(
    r"(?i)prompt is too long|(?:maximum|max|available) context|context[ _](?:length|window|size)"
    r"|token count.{0,40}exceeds|input is too long|too many (?:input |total )?tokens"
)
_QUOTA: Final = re.compile(
    r"(?i)exceeded your current quota|out of credits|insufficient (?:quota|credits|balance|funds)"
)
_BILLING: Final = re.compile(r"(?i)credit balance is too low|insufficient (?:credits|balance|funds)")
_BAD_KEY: Final = re.compile(
    r"(?i)(?:incorrect|invalid|expired) api[ _-]?key|api[ _-]?key (?:not valid|is invalid|expired)"
)
_MODEL: Final = re.compile(r"(?i)\bmodels?\b|\bdeployment\b")
_HTML: Final = re.compile(r"(?i)\s*<(?:!doctype|html|head|body|\?xml|!--|center|h1)")


class _Told(msgspec.Struct, frozen=True):
    """What a body says, whatever its shape."""

    message: str = ""
    words: tuple[str, ...] = ()
    """Codes, types and reasons, most telling first, as the vendor wrote them."""
    code: str = ""
    param: str | None = None
    status: int = 0
    """A status in the body, for errors under HTTP 200."""
    retry_after_s: float | None = None
    is_json: bool = False


def read_error(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> UpstreamError:
    """The error an upstream's response stands for: not 2xx, or 2xx with a body (or first event) that is an error.

    ``headers`` names are in lower case. Never raises; ``message`` holds no credential and at most MESSAGE_CHARS.
    """
    body = body[:BODY_BYTES]
    told = _told(body)
    at = status if status >= 300 else told.status
    kind = _kind(at, told)
    fields = dict(headers)
    wait_s = retry_after.from_headers(fields)
    if wait_s is None:
        wait_s = told.retry_after_s
    if wait_s is None and kind in ("rate_limit", "quota", "overloaded"):
        wait_s = retry_after.from_ratelimit(fields)
        wait_s = retry_after.from_prose(told.message) if wait_s is None else wait_s
    return UpstreamError(
        _message(status, told, body),
        error_class=kind,
        scope=_scope(kind, told),
        answered=True,
        status=500 if kind == "server" and at == 500 else _STATUS[kind],
        kind=kind,
        code=_code(kind, at, told),
        param=told.param,
        retry_after_s=wait_s,
        body=body,
    )


def read_stream_error(error: bytes) -> UpstreamError:
    """The same for an error inside HTTP 200, given the JSON of its ``error`` (``SseTap.error``, ``body_error``)."""
    return read_error(200, (), b'{"error":' + error + b"}")


def stream_incomplete() -> UpstreamError:
    """The error that a stream is which ends without saying why it stops (translation.md §13.2)."""
    return UpstreamError(
        "The upstream's stream ended before the answer was complete.",
        error_class="truncated",
        answered=True,
        kind="upstream_incomplete",
        code="upstream_stream_incomplete",
    )


def retryable(error: UpstreamError) -> bool:
    """Whether another connection may do better: not if the request itself is at fault."""
    return error.scope != "client"


def _kind(status: int, told: _Told) -> Kind:
    by_words = next((kind for word in told.words if (kind := _WORDS.get(word.lower()))), None)
    if status < 400:
        return by_words or "server"
    kind = _KINDS.get(status, "server" if status >= 500 else "invalid_request")
    if status >= 500:
        return kind
    if by_words in ("context_length", "content_filter") and kind in ("invalid_request", "too_large", "permission"):
        return by_words
    if by_words == "quota" and kind in ("invalid_request", "permission", "rate_limit"):
        return by_words
    return _kind_by_text(kind, told)


def _kind_by_text(kind: Kind, told: _Told) -> Kind:
    if kind == "invalid_request" and "API_KEY_INVALID" in told.words:
        return "authentication"  # Google answers 400 for a bad key
    if kind == "invalid_request" and _BILLING.search(told.message):
        return "billing"  # Anthropic answers 400 for an empty account
    if kind in ("invalid_request", "too_large") and _CONTEXT.search(told.message):
        return "context_length"
    # Google calls its per-minute limits a quota too; those say when to come back.
    if kind == "rate_limit" and told.retry_after_s is None and _QUOTA.search(told.message):
        return "quota"
    return kind


def _scope(kind: Kind, told: _Told) -> Scope:
    words = {word.lower() for word in told.words}
    if kind in ("not_found", "permission") and (
        "model_not_found" in words or (kind == "not_found" and told.is_json and _MODEL.search(told.message))
    ):
        return "model"
    if kind == "not_found":
        # Words in JSON are about something the request named; a bare 404 is a wrong base URL.
        return "client" if told.is_json and told.message else "connection"
    if kind in _CONNECTION_KINDS:
        return "connection"
    if kind in _CLIENT_KINDS:
        # The credential is ours, so the client cannot be at fault for it, whatever the status says (xAI: 400).
        return "connection" if _BAD_KEY.search(told.message) else "client"
    return "provider"


def _code(kind: Kind, status: int, told: _Told) -> str:
    """As the client sees it; "" is written as null."""
    if kind in CODES:
        return CODES[kind]
    if kind == "not_found":
        return told.code or "model_not_found"
    if kind == "server" and status < 400:
        return told.code or "upstream_error"
    if kind == "server" and status != 500:
        return "bad_gateway"
    return told.code


def _message(status: int, told: _Told, body: bytes) -> str:
    if told.message and not _HTML.match(told.message):
        return mask(told.message[:_MASKED_CHARS])[:MESSAGE_CHARS]
    if told.message or _HTML.match(body[:200].decode("latin-1")):
        return f"The upstream answered with status {status} and an HTML page instead of JSON."
    return f"The upstream answered with status {status} and no explanation."


def _told(body: bytes) -> _Told:
    """Find the error object of any of the shapes and read it."""
    try:
        document = decode_vendor(body)
    except ValueError:
        return _Told(message=body.decode("utf-8", "replace").strip())
    if isinstance(document, list) and document:  # Google, at times
        document = document[0]
    if isinstance(document, str):
        return _Told(message=document, is_json=True)
    if not isinstance(document, dict):
        return _Told(is_json=True)
    error = document.get("error")
    listed = document.get("errors")
    if error is None and isinstance(listed, list) and listed:
        error = listed[0]
    if isinstance(error, str):  # xAI and Ollama: the text alone, a code beside it
        return _read(document | {"message": error})
    return _read(error if isinstance(error, dict) else document)


def _read(error: dict[str, object]) -> _Told:
    code, kind, status = error.get("code"), error.get("type"), error.get("status")
    words = [word for word in (code, kind, status) if isinstance(word, str) and word]
    inner = error.get("innererror")
    if isinstance(inner, dict) and isinstance(inner.get("code"), str):
        words.append(inner["code"])
    details = error.get("details")
    if isinstance(details, list):
        reasons = (detail.get("reason") for detail in details if isinstance(detail, dict))
        words.extend(reason for reason in reasons if isinstance(reason, str))
    param = error.get("param")
    return _Told(
        message=_text(error),
        words=tuple(words),
        code=code if isinstance(code, str) else "",
        param=param if isinstance(param, str) else None,
        status=next((number for number in (error.get("status_code"), status, code) if _is_status(number)), 0),
        retry_after_s=retry_after.from_details(details),
        is_json=True,
    )


def _is_status(number: object) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599


def _text(error: dict[str, object]) -> str:
    """The message of an error object, with that of the provider behind a relay (OpenRouter ``metadata.raw``)."""
    found = ""
    for name in ("message", "detail", "msg", "error_description", "description", "reason"):
        found = _words_of(error.get(name))
        if found:
            break
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str) and raw.strip():
        behind = _nested(raw)
        if behind and behind not in found:
            return f"{found}: {behind}" if found else behind
    return found


def _nested(raw: str) -> str:
    """The text of an inner provider's body, quoted in a string, itself JSON or not. One level deep."""
    try:
        document = decode_vendor(raw)
    except ValueError:
        return "" if _HTML.match(raw) else raw.strip()
    if isinstance(document, dict):
        error = document.get("error", document)
        return _words_of(error.get("message") if isinstance(error, dict) else error)
    return raw.strip()


def _words_of(value: object) -> str:
    """Text of a message member: a string, or FastAPI's list of ``{msg, loc}``."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return _words_of(value.get("message") or value.get("msg") or value.get("error"))
    if isinstance(value, list):
        return "; ".join(text for item in value[:8] if (text := _located(item)))
    return ""


def _located(item: object) -> str:
    if not isinstance(item, dict):
        return item if isinstance(item, str) else ""
    where = item.get("loc")
    text = _words_of(item.get("msg") or item.get("message"))
    if isinstance(where, list) and where and text:
        return f"{'.'.join(str(step) for step in where)}: {text}"
    return text
