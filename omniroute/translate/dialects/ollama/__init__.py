"""Ollama's own API (``/api/chat``, ``/api/generate``), for clients and upstreams alike (translation.md §8)."""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import ClientSide, Dialect, Endpoint, Identity, UpstreamSide, stream_headers
from omniroute.translate.dialects.ollama.answer import (
    read_answer,
    read_failure,
    unfold,
    usage_of_body,
    write_answer,
)
from omniroute.translate.dialects.ollama.decoder import SHAPES, Decoder
from omniroute.translate.dialects.ollama.encoder import Encoder
from omniroute.translate.dialects.ollama.errors import error_body, error_event, error_status
from omniroute.translate.dialects.ollama.grammar import Checker
from omniroute.translate.dialects.ollama.listings import LISTINGS
from omniroute.translate.dialects.ollama.peek import CHAT_PATH, GENERATE_PATH, encode_request, path, peek
from omniroute.translate.dialects.ollama.request_in import read_request
from omniroute.translate.dialects.ollama.request_out import write_request

DIALECT: Final = Dialect(
    name="ollama",
    client=ClientSide(
        endpoints=tuple(Endpoint("POST", prefix + one) for prefix in ("", "/v1") for one in (CHAT_PATH, GENERATE_PATH)),
        listings=LISTINGS,
        peek=peek,
        read_request=read_request,
        write_answer=write_answer,
        encoder=Encoder,
        stream_headers=stream_headers(b"application/x-ndjson"),
        heartbeat=b"",  # any line would be an object of the answer
        error_status=error_status,
        error_body=error_body,
        error_event=error_event,
        forgets=True,
        checker=Checker,
    ),
    upstream=UpstreamSide(
        credential="bearer",
        write_request=write_request,
        framing="ndjson",
        shapes=SHAPES,
        decoder=Decoder,
        read_answer=read_answer,
        read_failure=read_failure,
        models_path="/api/tags",
    ),
    identity=Identity(
        encode_request=encode_request,
        path=path,
        unfold=unfold,
        usage_of_body=usage_of_body,
    ),
)

__all__ = ["DIALECT"]
