"""Responses, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece
from omniroute.mock.dialects.openai_responses import items
from omniroute.mock.dialects.openai_responses.asked import Body, Echo, custom_tools, heard, read_body
from omniroute.mock.request import Request
from omniroute.mock.speech import CREATED_EPOCH_S, Speech

_PATH: Final = "/responses"
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _Ask:
    """One decoded request."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: Body, echo: Echo) -> None:
        self._body = body
        self._echo = echo
        self._custom = custom_tools(body)
        self.heard = heard(body)
        self._serial = 0

    def whole(self, speech: Speech, serial: int) -> bytes:
        """A ``response`` that is complete."""
        return sse.encode(self._complete(speech, serial))

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """Everything from ``response.created`` to the event that holds the whole response again."""
        self._serial = serial
        begun = self._response(serial, "in_progress")
        last = "response.incomplete" if speech.finish in _INCOMPLETE else "response.completed"
        sequence = 0
        for kind in ("response.created", "response.in_progress"):
            yield _event(kind, sequence, {"response": begun}), 0
            sequence += 1
        for kind, members, tokens in items.events(speech, serial, self._custom):
            yield _event(kind, sequence, members), tokens
            sequence += 1
        if not speech.script.no_done:
            yield _event(last, sequence, {"response": self._complete(speech, serial)}), 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """``error``, and the response that failed."""
        code = code or "server_error"
        told: dict[str, object] = {"code": code, "message": message, "param": None}
        failed = self._response(self._serial, "failed") | {"error": {"code": code, "message": message}}
        return _event("error", index, told) + _event("response.failed", index + 1, {"response": failed})

    def _complete(self, speech: Speech, serial: int) -> dict[str, object]:
        reason = _INCOMPLETE.get(speech.finish)
        status = "incomplete" if reason else "completed"
        response = self._response(serial, status) | {"output": items.items(speech, serial, self._custom)}
        if reason:
            response["incomplete_details"] = {"reason": reason}
        if not speech.script.no_usage:
            response["usage"] = _usage(speech)
        return response

    def _response(self, serial: int, status: str) -> dict[str, object]:
        body = self._body
        return {
            "id": f"resp_mock{serial}",
            "object": "response",
            "created_at": CREATED_EPOCH_S,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": body.model,
            "output": [],
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": body.store is not False,
            "temperature": 1.0 if body.temperature is None else body.temperature,
            "text": self._echo.text,
            "tool_choice": self._echo.tool_choice,
            "tools": self._echo.tools,
            "top_p": 1.0 if body.top_p is None else body.top_p,
            "truncation": "disabled",
            "usage": None,
        }


def _usage(speech: Speech) -> dict[str, object]:
    return {
        "input_tokens": speech.prompt_tokens,
        "input_tokens_details": {"cached_tokens": speech.cached, "cache_write_tokens": 0},
        "output_tokens": speech.tokens,
        "output_tokens_details": {"reasoning_tokens": len(speech.thoughts)},
        "total_tokens": speech.prompt_tokens + speech.tokens,
    }


def _event(kind: str, sequence: int, members: Mapping[str, object]) -> bytes:
    return sse.event({"type": kind, "sequence_number": sequence} | dict(members), kind)


def read(request: Request) -> _Ask:
    """A request for a response. Raises BadAsk: for kept responses too, since nothing is kept here."""
    if request.method != "POST":
        name = versions.plain(request).removeprefix(f"{_PATH}/")
        raise BadAsk(f"Response with id '{name}' not found.", status=404, code="response_not_found")
    return _Ask(*read_body(request.body))


def claims(request: Request) -> bool:
    """Responses."""
    path = versions.plain(request)
    return path == _PATH if request.method == "POST" else path.startswith(f"{_PATH}/")


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"error": {...}}``."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return sse.encode({"error": {"message": message, "type": kind, "param": param, "code": code or None}})


DIALECT: Final = Dialect(
    name="openai_responses",
    paths=("POST /v1/responses",),
    claims=claims,
    credential=versions.bearer,
    read=read,
    error=error,
)
