"""OpenAI Chat Completions, for clients and upstreams alike (translation.md §4, and §9 for its reasoning variants)."""

from typing import Final

from omniroute.translate.dialect import Dialect, Endpoint
from omniroute.translate.dialects.openai_chat.answer import read_answer
from omniroute.translate.dialects.openai_chat.errors import body_error, error_body, error_event
from omniroute.translate.dialects.openai_chat.models import model_body, models_body
from omniroute.translate.dialects.openai_chat.request import PATH, encode_request, peek
from omniroute.translate.dialects.openai_chat.stream import classify_event, tap, unfold
from omniroute.translate.dialects.openai_chat.usage import usage_of, usage_of_body

DIALECT: Final = Dialect(
    name="openai_chat",
    endpoints=(Endpoint("POST", "/v1/chat/completions"),),
    path=PATH,
    peek=peek,
    encode_request=encode_request,
    tap=tap,
    classify_event=classify_event,
    usage_of=usage_of,
    unfold=unfold,
    read_answer=read_answer,
    error_body=error_body,
    error_event=error_event,
)

__all__ = [
    "DIALECT",
    "PATH",
    "body_error",
    "classify_event",
    "encode_request",
    "error_body",
    "error_event",
    "model_body",
    "models_body",
    "peek",
    "read_answer",
    "tap",
    "unfold",
    "usage_of",
    "usage_of_body",
]
