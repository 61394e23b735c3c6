"""OpenAI Chat Completions, for clients and upstreams alike (translation.md §4, and §9 for its reasoning variants)."""

from typing import Final

from omniroute.translate.dialect import EVENT_STREAM, ClientSide, Dialect, Endpoint, UpstreamSide
from omniroute.translate.dialects.openai_chat.answer import read_failure
from omniroute.translate.dialects.openai_chat.answer_in import read_answer
from omniroute.translate.dialects.openai_chat.answer_out import write_answer
from omniroute.translate.dialects.openai_chat.decoder import ChatDecoder
from omniroute.translate.dialects.openai_chat.encoder import ChatEncoder
from omniroute.translate.dialects.openai_chat.errors import error_event
from omniroute.translate.dialects.openai_chat.grammar import ChatChecker
from omniroute.translate.dialects.openai_chat.identity import IDENTITY
from omniroute.translate.dialects.openai_chat.listings import LISTINGS
from omniroute.translate.dialects.openai_chat.peek import peek
from omniroute.translate.dialects.openai_chat.request_in import read_request
from omniroute.translate.dialects.openai_chat.request_out import write_request
from omniroute.translate.dialects.openai_chat.shapes import SHAPES
from omniroute.translate.openai_bodies import error_body, error_status

DIALECT: Final = Dialect(
    name="openai_chat",
    client=ClientSide(
        endpoints=(Endpoint("POST", "/v1/chat/completions"),),
        listings=LISTINGS,
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=ChatEncoder,
        stream_headers=EVENT_STREAM,
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        forgets=True,
        checker=ChatChecker,
    ),
    upstream=UpstreamSide(
        credential="bearer",
        write_request=write_request,
        framing="sse",
        shapes=SHAPES,
        decoder=ChatDecoder,
        read_answer=read_answer,
        read_failure=read_failure,
    ),
    identity=IDENTITY,
)

__all__ = ["DIALECT"]
