"""Once per request: authenticate, admit, plan, then one attempt after another until the client has an answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import trio

from omniroute._speedups import Shared
from omniroute.domain import Caller, Snapshot, Summary, Target
from omniroute.errors import ClientError, GatewayFault, OmniRouteError, UpstreamError
from omniroute.pipeline.admit import Admission
from omniroute.pipeline.answer import JSON, TOKEN_COUNT_HEADER
from omniroute.pipeline.attempt import Attempts
from omniroute.pipeline.authenticate import authenticate
from omniroute.pipeline.keeping import Keeper
from omniroute.pipeline.memory import Memory
from omniroute.pipeline.plan import plan
from omniroute.pipeline.questions import Questions
from omniroute.pipeline.recollection import Recollection
from omniroute.pipeline.story import Story
from omniroute.pipeline.values import Door, PipelineOptions, Request, Served
from omniroute.ports import ClientGone, Configuration, Incoming, Journal, Reply, ResponseShelf, Upstream
from omniroute.translate import Listed, Listing, Unsupported, retryable

Observe = Callable[[Summary], None]
"""Told of every finished request: log and metrics. Must not wait."""


class Pipeline:
    """The data plane's handlers. One per worker; holds ports, no state of its own."""

    __slots__ = (
        "_attempts",
        "_check_every",
        "_configuration",
        "_keeper",
        "_memory",
        "_observe",
        "_questions",
        "_recollection",
        "_serial",
        "_series",
        "_shared",
    )

    def __init__(
        self,
        configuration: Configuration,
        journal: Journal,
        upstream: Upstream,
        shared: Shared,
        observe: Observe,
        options: PipelineOptions,
        questions: Questions,
        shelf: ResponseShelf,
    ) -> None:
        self._configuration = configuration
        self._shared = shared
        self._observe = observe
        self._questions = questions
        self._keeper = Keeper(questions, shelf)
        self._recollection = Recollection(time.monotonic)
        self._memory = Memory()
        self._series = f"{secrets.token_hex(8)}%08x"
        self._serial = 0
        self._check_every = options.check_every
        self._attempts = Attempts(journal, upstream, shared, options)

    async def chat(self, door: Door, incoming: Incoming, reply: Reply) -> None:
        """Answer a request of a client of ``door``'s dialect.

        Raises what the edge must render: ClientError, UpstreamError, Overloaded.
        """
        snapshot = self._configuration.current()
        story = Story(incoming, snapshot.epoch)
        try:
            caller = self._memory.caller(incoming, snapshot, time.time())
            story.key_id = caller.key_id
            peeked = door.client.peek(incoming)
            story.model, story.streamed = peeked.model, peeked.stream
            with Admission(caller, self._shared, time.monotonic_ns):
                route = self._memory.plan(peeked.model, caller, snapshot)
                kept = None
                if door.client.history is not None:
                    incoming, kept = await self._keeper.resumed(door, incoming, route, caller.key_id)
                    peeked = door.client.peek(incoming)  # what it found is elsewhere in a body that was resumed
                request = Request(incoming, door, peeked, snapshot, caller, route, self._recollection, kept)
                if peeked.operation == "chat":
                    await self._until_answered(request, reply, story)
                else:
                    await self._until_counted(request, reply, story)
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

    async def _until_answered(self, request: Request, reply: Reply, story: Story) -> None:
        """Try targets in order. The last error is raised when none is left; one that is the client's fault at once.

        A target whose dialect cannot carry the request is passed over; if none can, that is what is raised.
        """
        failed: UpstreamError | None = None
        unsupported: Unsupported | None = None
        lost_s = 0.0
        number = 0
        for target in request.plan.targets:
            if number == request.snapshot.settings.max_attempts:
                break
            number += 1
            served = self._served(target, number, lost_s)
            before, story.served = story.served, served
            try:
                await self._attempts.attempt(request, served, reply)
            except Unsupported as exc:
                unsupported = unsupported or exc
                number, story.served = number - 1, before  # nothing was called
            except UpstreamError as exc:
                if reply.begun or not retryable(exc):
                    raise
                failed = exc
                lost_s += trio.current_time() - served.started_at
            else:
                return
        last = failed or unsupported
        assert last is not None, "a plan is never empty"
        raise last

    async def _until_counted(self, request: Request, reply: Reply, story: Story) -> None:
        """The number of tokens, from the first target that counts; where none does or can, from a vocabulary."""
        number = 0
        for target in request.plan.targets:
            if number == request.snapshot.settings.max_attempts:
                break
            served = self._served(target, number + 1, 0.0)
            try:
                if await self._attempts.attempt(request, served, reply):
                    story.served = served
                    return
            except Unsupported:  # we can count what this upstream cannot read
                continue
            except UpstreamError as exc:
                if not retryable(exc):
                    raise
                story.served = served
                number += 1
        write_count = request.door.client.write_count
        assert write_count is not None, "a dialect that asks for counts can say them"
        counted = await self._questions.count(request.canonical(), request.incoming)
        story.served, story.status = None, 200  # whatever upstreams said, the answer is ours
        told = (TOKEN_COUNT_HEADER, b"tokenizer; encoding=" + counted.encoding.encode())
        await reply.complete(200, (*JSON, told), (write_count(counted.tokens, True),))

    def _served(self, target: Target, number: int, lost_s: float) -> Served:
        self._serial += 1
        return Served(
            target, number, self._series % self._serial, trio.current_time(), time.time(), lost_s,
            checked=self._check_every > 0 and self._serial % self._check_every == 0,
        )  # fmt: skip

    async def listing(self, listing: Listing, incoming: Incoming, reply: Reply) -> None:
        """Answer from the configuration: what this caller can really call, in the words of the listing's dialect."""
        snapshot = self._configuration.current()
        caller = authenticate(incoming, snapshot, time.time())
        await reply.complete(200, JSON, (listing.render(incoming, _listed(caller, snapshot)),))


def _listed(caller: Caller, snapshot: Snapshot) -> tuple[Listed, ...]:
    """What ``caller`` can call. Vendors' dates are not known: ``created`` is that of the configuration."""
    created_epoch_s = int(snapshot.document.created_epoch_s)

    def can_call(model: str) -> bool:
        try:
            plan(model, caller, snapshot)
        except ClientError:
            return False
        return True

    return tuple(Listed(model, created_epoch_s) for model in snapshot.models if can_call(model))
