"""Google's generateContent, for clients and upstreams alike (translation.md §6)."""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import ClientSide, Dialect, Endpoint, Identity, UpstreamSide
from omniroute.translate.dialects.gemini.answer import read_answer, read_failure, unfold, write_answer
from omniroute.translate.dialects.gemini.counting import COUNTING, write_count
from omniroute.translate.dialects.gemini.decoder import SHAPES, Decoder
from omniroute.translate.dialects.gemini.encoder import Encoder
from omniroute.translate.dialects.gemini.errors import error_body, error_event, error_status
from omniroute.translate.dialects.gemini.grammar import Checker
from omniroute.translate.dialects.gemini.listings import LISTINGS
from omniroute.translate.dialects.gemini.peek import PREFIXES, encode_request, identity_path, peek
from omniroute.translate.dialects.gemini.request_in import read_request
from omniroute.translate.dialects.gemini.request_out import write_request
from omniroute.translate.dialects.gemini.usage import usage_of_body

DIALECT: Final = Dialect(
    name="gemini",
    client=ClientSide(
        endpoints=tuple(Endpoint("POST", f"{prefix}{{model}}") for prefix in PREFIXES),
        listings=LISTINGS,
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=Encoder,
        stream_headers=(
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
        ),
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        write_count=write_count,
        checker=Checker,
    ),
    upstream=UpstreamSide(
        credential="x-goog-api-key",
        write_request=write_request,
        framing="sse",
        shapes=SHAPES,
        decoder=Decoder,
        read_answer=read_answer,
        read_failure=read_failure,
        counting=COUNTING,
    ),
    identity=Identity(
        encode_request=encode_request,
        path=identity_path,
        forwarded=(b"x-goog-api-client",),
        unfold=unfold,
        usage_of_body=usage_of_body,
    ),
)

__all__ = ["DIALECT"]
