"""What a dialect is: its client side, its upstream side, and what it does when both sides speak it.

One constant ``DIALECT`` per folder in ``dialects/``. All values and pure functions: whoever holds a :class:`Dialect`
knows everything about a wire format that is not transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from omniroute.domain import Quirks, StoredResponse, Usage
from omniroute.errors import ClientError, OmniRouteError
from omniroute.translate.canonical import ChatRequest, ChatResponse, Json
from omniroute.translate.flow import Flow
from omniroute.translate.notes import Notes
from omniroute.translate.recall import Learn
from omniroute.translate.stream import StreamDecoder, StreamEncoder

Span = tuple[int, int]
Part = bytes | memoryview
Framing = Literal["sse", "ndjson"]
"""How an upstream's stream is cut. ``sse`` also takes bare JSON objects and an array of them (translation.md §3.1)."""
Operation = Literal["chat", "count"]
Headers = tuple[tuple[bytes, bytes], ...]


def stream_headers(content_type: bytes) -> Headers:
    """The head of a stream: nobody on the way may keep it, or hold it back."""
    return ((b"content-type", content_type), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


EVENT_STREAM: Final = stream_headers(b"text/event-stream; charset=utf-8")
"""The head of a stream of server-sent events."""


class Asked(Protocol):
    """A client's request as far as a dialect reads it; ``ports.Incoming`` is one."""

    @property
    def path(self) -> str:
        """Decoded, without the query."""
        ...

    @property
    def query(self) -> bytes:
        """As it came, without the question mark."""
        ...

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Names in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """Whole."""
        ...


class Endpoint(msgspec.Struct, frozen=True):
    """One path clients of a dialect send requests to: exact, or ending in ``{name}`` for a rest of any length."""

    method: str
    path: str


class Peeked(msgspec.Struct, frozen=True):
    """The few facts of a request the gateway acts on."""

    model: str
    """As the client wrote it."""
    stream: bool
    include_usage: bool
    """The client asked for the usage chunk of a stream itself (always, where the dialect has no choice)."""
    choices: int
    """How many answers it wants."""
    spans: tuple[Span | None, ...] = ()
    """Where in the body the fields are that the dialect's own ``encode_request`` patches; nobody else reads them."""
    operation: Operation = "chat"
    variant: str = ""
    """The dialect's own word for which of its shapes this is (``generate``, ``json_array``); nobody else reads it."""


class AnswerContext(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer's writer must know besides the answer. No clock, no dice: they come in here."""

    attempt_id: str
    """Hex. Ids the upstream did not give are made from it: ``msg_<attempt_id>``, ``call_<attempt_id>_<number>``."""
    request_id: str = ""
    created_epoch_s: int = 0
    model: str = ""
    """The model's name where the upstream's answer has none."""
    include_usage: bool = True
    choices: int = 1
    variant: str = ""
    """``Peeked.variant`` of the request."""
    request: ChatRequest | None = None
    """For what an answer repeats of its request (Responses), custom tools, legacy functions."""
    names: Mapping[str, str] = {}
    """Tool names as the upstream knows them, to the client's; absent ones are the same."""
    call_ids: Mapping[str, str] = {}
    """The same for ids of calls."""
    estimated_input_tokens: int = 0
    """Used, and marked, only where the upstream tells no usage."""
    continues: str = ""
    """The id of the stored answer the request went on from."""
    learn: Learn | None = None
    """Told what the upstream will want back with each call, for clients that forget."""
    elapsed_ns: Callable[[], int] = int
    """Since the request began: Ollama's answers say how long they took."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request in an upstream's words."""

    path: str
    """Appended to the connection's base URL, e.g. ``/chat/completions``; may hold a query."""
    body: tuple[Part, ...]
    names: Mapping[str, str] = {}
    """For ``AnswerContext.names``."""
    call_ids: Mapping[str, str] = {}


class Listed(msgspec.Struct, frozen=True):
    """A model a caller can call."""

    id: str
    """``provider/model``."""
    created_epoch_s: int
    context_tokens: int = 0
    output_tokens: int = 0


class Listing(msgspec.Struct, frozen=True):
    """A request about models that is answered from the configuration: a list, one model, a version."""

    method: str
    path: str
    """As in Endpoint."""
    claims: Callable[[Asked], bool]
    """Several dialects may share a path: who claims the request answers it; OpenAI's claims what nobody else does."""
    render: Callable[[Asked, Sequence[Listed]], bytes]
    """The body. Raises UnknownModel, ClientError."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """How a request goes on from an answer that the gateway keeps, and what is kept of one."""

    refers: Callable[[bytes], str]
    """The id of the answer a body goes on from, "" if from none. Raises ClientError."""
    resume: Callable[[bytes, StoredResponse], bytes]
    """The body with what the stored answer stands for in front of its own input. Raises ClientError."""
    unknown: Callable[[str], ClientError]
    """What a client is told whose id is of no answer that is kept, nor that the upstream could know."""
    context_of: Callable[[StoredResponse], Json]
    """What a request that went on from it goes on from: JSON list, for ``StoredResponse.context_items``."""
    keep: Callable[[bytes, bytes], tuple[str, Json] | None]
    """``(request body, answer body)``: the id to keep them under and the request's own items; None: not to be kept."""
    answer_in: Callable[[bytes], Json]
    """The whole answer in the last events of a stream, b"" if it is not there."""


class ClientSide(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of the dialect sends and expects."""

    endpoints: tuple[Endpoint, ...]
    listings: tuple[Listing, ...] = ()
    peek: Callable[[Asked], Peeked]
    """Raises ClientError naming the field and what to write instead."""
    read_request: Callable[[Asked, Peeked], ChatRequest]
    """The whole request. Raises ClientError, for a count too."""
    write_answer: Callable[[ChatResponse, AnswerContext], bytes]
    encoder: Callable[[AnswerContext], StreamEncoder]
    stream_headers: Headers
    """Head of a stream: content-type first."""
    stream_headers_of: Callable[[str], Headers] | None = None
    """The same by ``Peeked.variant``, where streams of the dialect differ (``json_array``)."""
    request_id_header: bytes = b""
    """Where clients look for the id of their request, beside ``x-request-id``."""
    heartbeat: bytes = b": keep-alive\n\n"
    """Sent while an upstream is silent; b"": the dialect has nothing that may be sent."""
    heartbeat_of: Callable[[str], bytes] | None = None
    """The same by ``Peeked.variant``, where streams of the dialect differ."""
    needs_head: bool = False
    """Clients wait for head and first events: they are sent after a short silence even if there is no content yet."""
    error_status: Callable[[OmniRouteError], int]
    error_body: Callable[[OmniRouteError, str], bytes]
    """``(error, request_id)``."""
    error_event: Callable[[OmniRouteError, str], bytes]
    """The same as the last event of a stream that had begun."""
    error_event_of: Callable[[OmniRouteError, str, str], bytes] | None = None
    """The same by ``Peeked.variant``, ``(error, request_id, variant)``, where streams of the dialect differ."""
    write_count: Callable[[int, bool], bytes] | None = None
    """``(input_tokens, estimated)``: the answer to a request whose operation is ``count``."""
    checker: Callable[[], Checker]
    """Of the dialect's stream grammar."""
    forgets: bool = False
    """Clients do not send back what another vendor signed: no place for it, or many drop what they do not know."""
    call_prefix: str = "call_"
    """Of ids of calls the upstream gave none; "": calls of the dialect need none."""
    history: History | None = None
    """None: the dialect knows nothing of earlier answers."""


class Counting(msgspec.Struct, frozen=True):
    """An upstream's endpoint that counts the tokens of a request."""

    write_request: Callable[[ChatRequest, Quirks, Notes], Outgoing]
    read_answer: Callable[[bytes], int]
    """Raises ValueError."""


class UpstreamSide(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream of the dialect is sent, and answers."""

    credential: Literal["bearer", "x-api-key", "x-goog-api-key"]
    headers: Headers = ()
    """Sent with every request (``anthropic-version``), unless the client or the connection says otherwise."""
    write_request: Callable[[ChatRequest, Quirks, Notes], Outgoing]
    """Raises Unsupported for content that cannot be carried; notes what is lost."""
    framing: Framing
    shapes: tuple[object, ...]
    """Of hot events, see ``_speedups.stream_py``."""
    decoder: Callable[[Quirks], StreamDecoder]
    read_answer: Callable[[bytes, Quirks], ChatResponse]
    """A whole answer. Raises ValueError if it is none; a body that is an error: ``read_failure`` first."""
    read_failure: Callable[[bytes], bytes | None]
    """The error (JSON, for ``read_stream_error``) that a body under a success status is, None for an answer.
    Raises ValueError: neither."""
    read_plain_answer: Callable[[bytes], ChatResponse | None] | None = None
    """``read_failure`` and ``read_answer`` in one go for the answers that most are; it declines (None) all others."""
    counting: Counting | None = None
    models_path: str = "/models"
    """Where it lists its models, for a test of the connection."""

    def presented(self, credential: str) -> tuple[bytes, bytes]:
        """The header a credential goes into."""
        if self.credential == "bearer":
            return (b"authorization", b"Bearer " + credential.encode())
        return (self.credential.encode(), credential.encode())


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides speak the dialect: bytes pass (translation.md §1.2, lane 0)."""

    encode_request: EncodeRequest
    path: Callable[[Peeked, str], str]
    """``(peeked, model)``: where the request goes, appended to the base URL."""
    forwarded: tuple[bytes, ...] = ()
    """Client headers the upstream gets to see, beside those of all dialects."""
    hide: Callable[[bytes, Peeked], bool] | None = None
    """Whether an event's data is there only because the gateway asked for it, and not for the client."""
    foreign: Callable[[bytes], bool] | None = None
    """Whether a body repeats what another upstream said and this dialect's would refuse: then it does not pass."""
    unfold: Callable[[bytes], bytes | None] | None = None
    """A whole answer, sent where a stream was asked for, as the stream it should have been; None: it is not one."""
    flow: Callable[[Peeked, str], Flow] | None = None
    """``(peeked, request_id)``: a reader of the dialect's own for streams that pass, if one is faster than a core."""
    usage_of_body: Callable[[bytes], Usage]
    """Counts of a whole answer, read without building it. Never raises."""
    scan_answer: Callable[[bytes], tuple[bytes | None, Usage]] | None = None
    """``UpstreamSide.read_failure`` and ``usage_of_body`` in one go, where that is cheaper."""


class EncodeRequest(Protocol):
    """The upstream's body, in parts: the client's bytes except for the fields the gateway owns."""

    def __call__(self, body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
        """``model`` is the name the upstream knows; the parts are to be written in order."""
        ...


class GrammarError(ValueError):
    """A stream of ours breaks its dialect's grammar."""


class Checker(Protocol):
    """A dialect's stream grammar as a state machine. Raises GrammarError saying which rule and where."""

    def event(self, name: bytes, data: bytes) -> None:
        """One event: SSE's name (b"" if none) and data; a line of NDJSON; an element of an array."""
        ...

    def end(self) -> None:
        """The stream is over: cleanly, or with the dialect's own error as its last event."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """A wire format. Either side may be missing: ``openai_completions`` has clients only."""

    name: str
    client: ClientSide | None = None
    upstream: UpstreamSide | None = None
    identity: Identity | None = None
