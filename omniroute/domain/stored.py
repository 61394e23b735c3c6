"""An answer kept for the client to refer to: Responses' ``store`` and ``previous_response_id``."""

from __future__ import annotations

import msgspec


class StoredResponse(msgspec.Struct, frozen=True):
    """One response with what it answered. JSON stays text. Only the API key that made it may see it."""

    response_id: str
    key_id: str
    created_epoch_s: float
    previous_response_id: str = ""
    input_items: bytes = b"[]"
    """JSON list: what this request added to the conversation, each item with an id."""
    context_items: bytes = b"[]"
    """JSON list: everything before that (of the responses it went on from), for the next request to go on from."""
    body: bytes = b"{}"
    """JSON object: the response as the client got it; its ``output`` is what the model added."""

    def __repr__(self) -> str:
        return f"StoredResponse({self.response_id})"  # what people and models said is nobody's business
