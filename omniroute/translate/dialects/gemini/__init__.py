"""Google's generateContent, for clients and upstreams alike (translation.md §6)."""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import ClientSide, Dialect, Endpoint, Headers, Identity, UpstreamSide, stream_headers
from omniroute.translate.dialects.gemini.answer import read_answer, read_failure, write_answer
from omniroute.translate.dialects.gemini.counting import COUNTING, write_count
from omniroute.translate.dialects.gemini.decoder import SHAPES, Decoder
from omniroute.translate.dialects.gemini.encoder import Encoder
from omniroute.translate.dialects.gemini.errors import error_body, error_event, error_event_of, error_status
from omniroute.translate.dialects.gemini.grammar import Checker
from omniroute.translate.dialects.gemini.listings import LISTINGS
from omniroute.translate.dialects.gemini.peek import PREFIXES, encode_request, identity_path, peek
from omniroute.translate.dialects.gemini.request_in import read_request
from omniroute.translate.dialects.gemini.request_out import write_request
from omniroute.translate.dialects.gemini.usage import usage_of_body
from omniroute.translate.dialects.gemini.words import JSON_ARRAY


def _stream_headers(variant: str) -> Headers:
    return stream_headers(b"application/json; charset=UTF-8" if variant == JSON_ARRAY else b"text/event-stream")


def _heartbeat(variant: str) -> bytes:
    """A blank line, between events or between the elements of an array.

    Never a comment: Google's own client (google-genai 3.4, ``_iter_response_stream``) takes every line that is neither
    blank nor ``data:`` for a piece of an error's JSON, and fails.
    """
    return b"\n" if variant == JSON_ARRAY else b"\r\n"


DIALECT: Final = Dialect(
    name="gemini",
    client=ClientSide(
        endpoints=tuple(Endpoint("POST", f"{prefix}{{model}}") for prefix in PREFIXES),
        listings=LISTINGS,
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=Encoder,
        stream_headers=_stream_headers(""),
        stream_headers_of=_stream_headers,
        heartbeat_of=_heartbeat,
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        error_event_of=error_event_of,
        write_count=write_count,
        forgets=True,
        call_prefix="",
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
        usage_of_body=usage_of_body,
    ),
)

__all__ = ["DIALECT"]
