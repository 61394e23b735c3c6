"""The values stages hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from omniroute.domain import Caller, Snapshot, StoredResponse, Target, Usage
from omniroute.pipeline.recollection import Recollection
from omniroute.pipeline.way import FORWARDED, Ways
from omniroute.ports import Incoming, ResponseShelf, WireRequest
from omniroute.translate import ChatRequest, ClientSide, Dialect, History, Notes, Pair, Peeked


class PipelineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the pipeline."""

    response_body_bytes: int = 64 * 1024 * 1024
    """Largest upstream answer that is not streamed: it is held to read its usage. Over: 502."""
    error_body_bytes: int = 256 * 1024
    """How much of an upstream's error body is read, to classify and relay it. Over: 502, the next one is tried."""
    held_bytes: int = 1024 * 1024
    """Handshake events held before the first content event of a stream. Over: the next connection is tried."""
    head_silence_s: Annotated[float, msgspec.Meta(ge=0.05, le=10.0)] = 0.2
    """Clients that wait for the head of a stream get it, with its first events, after this silence before the first
    content (0.05 to 10 s). From then on no other connection can be tried."""
    check_every: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1000
    """Of each worker's attempts every so many is checked, if its answer is a translated stream, against the grammar of
    the client's dialect (0: none). Broken rules are counted and logged, never content; the stream is not changed."""


class Door(msgspec.Struct, frozen=True):
    """Where clients of one dialect come in: what they speak, and the ways from there. Made once per process."""

    name: str
    client: ClientSide
    pairs: Mapping[str, Pair]
    """By the upstream's dialect."""
    ways: Ways
    """To connections: what is the same for every request."""


def doors(dialects: Mapping[str, Dialect]) -> dict[str, Door]:
    """A door for every dialect that has clients, in the order of ``dialects``."""
    upstreams = [dialect for dialect in dialects.values() if dialect.upstream is not None]
    found = {}
    for name, dialect in dialects.items():
        if dialect.client is not None:
            pairs = {upstream.name: Pair(dialect, upstream) for upstream in upstreams}
            own = dialect.identity.forwarded if dialect.identity is not None else ()
            found[name] = Door(name, dialect.client, pairs, Ways(pairs, (*FORWARDED, *own)))
    return found


class Plan(msgspec.Struct, frozen=True):
    """What to try, in order. Never empty."""

    targets: tuple[Target, ...]


class Kept(msgspec.Struct, frozen=True):
    """What must be known until the answer is there, for it to be kept."""

    history: History
    shelf: ResponseShelf
    body: bytes
    """As the client wrote it."""
    key_id: str
    previous_response_id: str = ""
    context_items: bytes = b"[]"

    def keep(self, answer: bytes, now_epoch_s: float) -> None:
        """Put an exchange away, unless the client said not to. ``answer``: as the client gets it; b"": none."""
        found = self.history.keep(self.body, answer) if answer else None
        if found is not None:
            response_id, input_items = found
            self.shelf.put(
                StoredResponse(
                    response_id, self.key_id, now_epoch_s, self.previous_response_id, input_items, self.context_items,
                    answer,
                )
            )  # fmt: skip


class Request(msgspec.Struct, frozen=True):
    """A request whose caller is known and admitted, with its plan: all an attempt needs besides its target."""

    incoming: Incoming
    door: Door
    peeked: Peeked
    snapshot: Snapshot
    caller: Caller
    plan: Plan
    recollection: Recollection
    kept: Kept | None = None
    """The answer is to be kept for later requests, and how."""
    read: ChatRequest | None = None
    """See ``canonical``."""

    def canonical(self) -> ChatRequest:
        """The whole request in words of ours, read when first asked for: where bytes pass, nobody asks.

        Raises ClientError.
        """
        if self.read is None:
            # Frozen all the same: whoever asks, and however often, the answer is one.
            msgspec.structs.force_setattr(self, "read", self.door.client.read_request(self.incoming, self.peeked))
            assert self.read is not None
        return self.read


class Encoded(msgspec.Struct, frozen=True):
    """A request in the words of one target's upstream."""

    wire: WireRequest
    pair: Pair
    passed: bool
    """The client's bytes go on, and the upstream's come back."""
    names: Mapping[str, str] = {}
    """Tool names as the upstream knows them, to the client's."""
    call_ids: Mapping[str, str] = {}
    notes: Notes | None = None
    """What is lost; None where bytes pass."""


class Served(msgspec.Struct):
    """What is learnt during one attempt. The one mutable value: filled in as the attempt goes on, by its task alone."""

    target: Target
    number: int
    attempt_id: str
    started_at: float
    started_epoch_s: float
    lost_s: float = 0.0
    """What earlier attempts of the request took."""
    body_bytes: int = 0
    status: int = 0
    connect_ms: int = -1
    head_at: float = 0.0
    committed_at: float = 0.0
    usage: Usage = Usage()
    bytes_out: int = 0
    events: int = 0
    outcome: str = "cancelled"
    error_class: str = ""
    notes: Notes | None = None
    """What the translation lost; None where bytes pass."""
    checked: bool = False
    """A translated stream is held against its grammar."""
    grammar: str = ""
    """What that found (``translate.Inspection.verdict``); "" if nothing was checked."""
