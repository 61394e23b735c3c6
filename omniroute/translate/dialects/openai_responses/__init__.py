"""OpenAI Responses, for clients and upstreams alike (translation.md §7)."""

from typing import Final

from omniroute.translate.dialect import EVENT_STREAM, ClientSide, Dialect, Endpoint, UpstreamSide
from omniroute.translate.dialects.openai_responses.answer_in import read_answer
from omniroute.translate.dialects.openai_responses.answer_out import write_answer
from omniroute.translate.dialects.openai_responses.decoder import Decoder
from omniroute.translate.dialects.openai_responses.encoder import Encoder
from omniroute.translate.dialects.openai_responses.errors import error_event, read_failure
from omniroute.translate.dialects.openai_responses.grammar import Checker
from omniroute.translate.dialects.openai_responses.history import HISTORY
from omniroute.translate.dialects.openai_responses.identity import IDENTITY, peek
from omniroute.translate.dialects.openai_responses.request_in import read_request
from omniroute.translate.dialects.openai_responses.request_out import write_request
from omniroute.translate.dialects.openai_responses.shapes import SHAPES
from omniroute.translate.openai_bodies import error_body, error_status

DIALECT: Final = Dialect(
    name="openai_responses",
    client=ClientSide(
        endpoints=(Endpoint("POST", "/v1/responses"),),
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=Encoder,
        stream_headers=EVENT_STREAM,
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        checker=Checker,
        history=HISTORY,
    ),
    upstream=UpstreamSide(
        credential="bearer",
        write_request=write_request,
        framing="sse",
        shapes=SHAPES,
        decoder=Decoder,
        read_answer=read_answer,
        read_failure=read_failure,
    ),
    identity=IDENTITY,
)

__all__ = ["DIALECT"]
