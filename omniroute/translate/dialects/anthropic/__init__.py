"""Anthropic Messages, for clients and upstreams alike (translation.md §5)."""

from typing import Final

from omniroute.translate.dialect import EVENT_STREAM, ClientSide, Counting, Dialect, Endpoint, Identity, UpstreamSide
from omniroute.translate.dialects.anthropic.answer import read_answer, write_answer
from omniroute.translate.dialects.anthropic.counting import read_count, write_count_answer
from omniroute.translate.dialects.anthropic.decoder import SHAPES, Decoder
from omniroute.translate.dialects.anthropic.encoder import Encoder
from omniroute.translate.dialects.anthropic.errors import error_body, error_event, error_status, read_failure
from omniroute.translate.dialects.anthropic.foreign import is_foreign
from omniroute.translate.dialects.anthropic.grammar import Checker
from omniroute.translate.dialects.anthropic.identity import encode_request, path, peek, unfold
from omniroute.translate.dialects.anthropic.listings import LISTINGS
from omniroute.translate.dialects.anthropic.plain_answer import read_plain
from omniroute.translate.dialects.anthropic.request_in import read_request
from omniroute.translate.dialects.anthropic.request_out import write_count, write_request
from omniroute.translate.dialects.anthropic.usage import usage_of_body

DIALECT: Final = Dialect(
    name="anthropic",
    client=ClientSide(
        endpoints=(Endpoint("POST", "/v1/messages"), Endpoint("POST", "/v1/messages/count_tokens")),
        listings=LISTINGS,
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=Encoder,
        stream_headers=EVENT_STREAM,
        heartbeat=b'event: ping\ndata: {"type":"ping"}\n\n',
        request_id_header=b"request-id",
        needs_head=True,
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        write_count=write_count_answer,
        call_prefix="toolu_",
        checker=Checker,
    ),
    upstream=UpstreamSide(
        credential="x-api-key",
        headers=((b"anthropic-version", b"2023-06-01"),),
        write_request=write_request,
        framing="sse",
        shapes=SHAPES,
        decoder=Decoder,
        read_answer=read_answer,
        read_failure=read_failure,
        read_plain_answer=read_plain,
        counting=Counting(write_request=write_count, read_answer=read_count),
    ),
    identity=Identity(
        encode_request=encode_request,
        path=path,
        forwarded=(b"anthropic-beta", b"anthropic-version"),
        foreign=is_foreign,
        unfold=unfold,
        usage_of_body=usage_of_body,
    ),
)

__all__ = ["DIALECT"]
