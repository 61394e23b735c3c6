"""OpenAI's legacy completions, for clients alone: a prompt in, text out (translation.md §4.4)."""

from typing import Final

from omniroute.translate.dialect import EVENT_STREAM, ClientSide, Dialect, Endpoint
from omniroute.translate.dialects.openai_completions.answer_out import error_event, write_answer
from omniroute.translate.dialects.openai_completions.encoder import CompletionsEncoder
from omniroute.translate.dialects.openai_completions.grammar import CompletionsChecker
from omniroute.translate.dialects.openai_completions.request_in import peek, read_request
from omniroute.translate.openai_bodies import error_body, error_status

DIALECT: Final = Dialect(
    name="openai_completions",
    client=ClientSide(
        endpoints=(Endpoint("POST", "/v1/completions"),),
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=CompletionsEncoder,
        stream_headers=EVENT_STREAM,
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        checker=CompletionsChecker,
    ),
)

__all__ = ["DIALECT"]
