"""Once per request: authenticate, admit, plan, then one attempt after another until the client has an answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import trio

from omniroute._speedups import Shared
from omniroute.domain import Caller, Snapshot, Summary
from omniroute.errors import ClientError, GatewayFault, OmniRouteError, UnknownModel, UpstreamError
from omniroute.pipeline.admit import Admission
from omniroute.pipeline.attempt import Attempts
from omniroute.pipeline.authenticate import authenticate
from omniroute.pipeline.memory import Memory
from omniroute.pipeline.plan import plan
from omniroute.pipeline.values import PipelineOptions, Request, Served
from omniroute.ports import ClientGone, Configuration, Incoming, Journal, Reply, Upstream
from omniroute.translate import Dialect, model_body, models_body, retryable

Observe = Callable[[Summary], None]
"""Told of every finished request: log and metrics. Must not wait."""


class Pipeline:
    """The data plane's handlers. One per worker; holds ports, no state of its own."""

    __slots__ = ("_attempts", "_configuration", "_memory", "_observe", "_serial", "_series", "_shared")

    def __init__(
        self,
        configuration: Configuration,
        journal: Journal,
        upstream: Upstream,
        shared: Shared,
        observe: Observe,
        options: PipelineOptions,
    ) -> None:
        self._configuration = configuration
        self._shared = shared
        self._observe = observe
        self._memory = Memory()
        self._series = secrets.token_hex(8)
        self._serial = 0
        self._attempts = Attempts(journal, upstream, shared, options)

    async def chat(self, dialect: Dialect, incoming: Incoming, reply: Reply) -> None:
        """Answer a chat request. Raises what the edge must render: ClientError, UpstreamError, Overloaded."""
        snapshot = self._configuration.current()
        story = _Story(incoming, snapshot.epoch)
        try:
            caller = self._memory.caller(incoming, snapshot, time.time())
            story.key_id = caller.key_id
            peeked = dialect.peek(incoming.body)
            story.model, story.streamed = peeked.model, peeked.stream
            with Admission(caller, self._shared, time.monotonic_ns):
                route = self._memory.plan(peeked.model, caller, snapshot)
                request = Request(incoming, dialect, peeked, snapshot, caller, route)
                await self._until_answered(request, reply, story)
        except OmniRouteError as exc:
            story.failed(exc)
            raise
        except ClientGone:
            story.outcome = "client_gone"
            raise
        except Exception:
            story.outcome, story.status = "fault", GatewayFault.status  # what the edge makes of it
            raise
        finally:
            self._observe(story.summary(trio.current_time()))

    async def _until_answered(self, request: Request, reply: Reply, story: _Story) -> None:
        """Try targets in order. The last error is raised when none is left; one that is the client's fault at once."""
        last: UpstreamError | None = None
        lost_s = 0.0
        for number, target in enumerate(request.plan.targets[: request.snapshot.settings.max_attempts], 1):
            self._serial += 1
            attempt_id = f"{self._series}{self._serial:08x}"
            served = Served(target, number, attempt_id, trio.current_time(), time.time(), lost_s)
            story.served = served
            try:
                await self._attempts.attempt(request, served, reply)
            except UpstreamError as exc:
                if reply.begun or not retryable(exc):
                    raise
                last = exc
                lost_s += trio.current_time() - served.started_at
            else:
                return
        assert last is not None, "a plan is never empty"
        raise last

    async def models(self, incoming: Incoming, reply: Reply) -> None:
        """``GET /v1/models``: what this caller can really call."""
        snapshot = self._configuration.current()
        caller = authenticate(incoming, snapshot, time.time())
        await reply.complete(200, _JSON, (models_body(_callable_models(caller, snapshot), _created(snapshot)),))

    async def model(self, incoming: Incoming, reply: Reply) -> None:
        """``GET /v1/models/{id}``. Raises UnknownModel."""
        snapshot = self._configuration.current()
        caller = authenticate(incoming, snapshot, time.time())
        name = incoming.path.removeprefix("/v1/models/")
        if name not in _callable_models(caller, snapshot):
            raise UnknownModel(
                f"There is no model '{name[:200]}' for this key. GET /v1/models lists what there is.", param="model"
            )
        await reply.complete(200, _JSON, (model_body(name, _created(snapshot)),))


_JSON = ((b"content-type", b"application/json"),)


def _created(snapshot: Snapshot) -> int:
    return int(snapshot.document.created_epoch_s)


def _callable_models(caller: Caller, snapshot: Snapshot) -> tuple[str, ...]:
    def can_call(model: str) -> bool:
        try:
            plan(model, caller, snapshot)
        except ClientError:
            return False
        return True

    return tuple(model for model in snapshot.models if can_call(model))


class _Story:
    """What the summary of a request needs, gathered on the way."""

    __slots__ = ("epoch", "error_class", "incoming", "key_id", "model", "outcome", "served", "status", "streamed")

    def __init__(self, incoming: Incoming, epoch: int) -> None:
        self.incoming = incoming
        self.epoch = epoch
        self.key_id = self.model = self.error_class = ""
        self.outcome = "ok"
        self.status = 0
        self.streamed = False
        self.served: Served | None = None

    def failed(self, exc: OmniRouteError) -> None:
        self.outcome = exc.outcome
        self.status = exc.status
        self.error_class = exc.error_class if isinstance(exc, UpstreamError) else exc.code

    def summary(self, now: float) -> Summary:
        served, incoming = self.served, self.incoming
        received_at = incoming.received_at
        total_ms = (now - received_at) * 1000
        if served is None:
            return Summary(
                time.time(), incoming.request_id, self.key_id, incoming.path, incoming.peer, self.model, "", "", "",
                self.outcome, self.error_class, self.status, 0, self.streamed, total_ms, -1.0, total_ms, 0, 0, 0,
                self.epoch,
            )  # fmt: skip
        connection = served.target.connection
        first_token_ms = (served.committed_at - received_at) * 1000 if served.committed_at else -1.0
        return Summary(
            time.time(), incoming.request_id, self.key_id, incoming.path, incoming.peer, self.model,
            connection.provider, served.target.model, connection.label,
            served.outcome if self.outcome == "ok" else self.outcome, self.error_class or served.error_class,
            self.status or served.status, served.number, self.streamed, total_ms, first_token_ms,
            (served.started_at - received_at - served.lost_s) * 1000,
            served.usage.input_total, served.usage.output_total, served.bytes_out, self.epoch, served.events,
        )  # fmt: skip
