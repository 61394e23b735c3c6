"""Once per request: the order of the stages, failover, and what is held and given back."""

from __future__ import annotations

import pytest

from omniroute.domain import RuntimeSettings
from omniroute.errors import ClientError, Overloaded, RateLimited, Unauthenticated, UnknownModel, UpstreamError
from tests.pipeline.house import (
    CONTENT,
    DONE,
    DOOR,
    FAILED,
    JSON,
    ROLE,
    SSE,
    WHOLE,
    Answer,
    caller,
    connection,
    house,
    incoming,
    snapshot,
)

TWO = snapshot(connection("one", priority=1, max_in_flight=5), connection("two", priority=2, max_in_flight=5))
REFUSED = Answer(error=UpstreamError("no connection", error_class="connect"))
BROKEN = Answer(500, JSON, b'{"error":{"message":"oops"}}')
BAD_REQUEST = Answer(400, JSON, b'{"error":{"message":"no such field","type":"invalid_request_error"}}')


async def test_the_order_of_a_request() -> None:
    async with house(Answer()) as h:
        await h.chat()
        assert h.story == [
            "journal open", "call one", "journal close ok", "complete 200", "exchange left",
        ]  # fmt: skip
        assert h.reply.body == WHOLE
        (summary,) = h.summaries
        assert (summary.outcome, summary.status, summary.attempts, summary.key_id) == ("ok", 200, 1, "key_1")
        assert (summary.tokens_in, summary.tokens_out, summary.epoch) == (7, 3, 1)


@pytest.mark.parametrize("failure", [REFUSED, BROKEN, Answer(body=FAILED[6:-2])])
async def test_before_the_commit_point_a_failure_is_the_next_targets_chance(failure: Answer) -> None:
    async with house(failure, Answer(), configured=TWO) as h:
        await h.chat()
        assert [step for step in h.story if step.startswith("call")] == ["call one", "call two"]
        assert [record.outcome for record in h.journal.records] == ["upstream_error", "ok"]
        assert [record.attempt for record in h.journal.records] == [1, 2]
        assert h.reply.headers[b"x-omniroute-connection"] == b"two"
        assert h.reply.headers[b"x-omniroute-attempts"] == b"2"
        assert (h.reply.status, h.received()) == (200, b"HEAD " + WHOLE)  # of the failure the client saw nothing


@pytest.mark.parametrize("body", [FAILED, ROLE + FAILED, ROLE, b""])
async def test_a_stream_that_fails_before_its_first_content_is_tried_elsewhere(body: bytes) -> None:
    failure = Answer(headers=SSE, body=body)
    async with house(failure, Answer(headers=SSE, body=ROLE + CONTENT + DONE), configured=TWO) as h:
        await h.chat(stream=True)
        assert [record.outcome for record in h.journal.records] == ["upstream_error", "ok"]
        assert b"gpu on fire" not in h.received()
        assert CONTENT in h.received()


async def test_the_last_failure_is_raised_when_no_target_is_left() -> None:
    async with house(REFUSED, BROKEN, configured=TWO) as h:
        with pytest.raises(UpstreamError, match="oops"):
            await h.chat()
        assert not h.reply.begun
        (summary,) = h.summaries
        assert (summary.outcome, summary.attempts) == ("upstream_error", 2)


async def test_attempts_have_a_bound() -> None:
    many = snapshot(*(connection(str(n)) for n in range(9)), settings=RuntimeSettings(max_attempts=3))
    async with house(*[REFUSED] * 9, configured=many) as h:
        with pytest.raises(UpstreamError):
            await h.chat()
        assert len(h.journal.records) == 3


async def test_the_clients_fault_is_not_tried_again() -> None:
    async with house(BAD_REQUEST, Answer(), configured=TWO) as h:
        with pytest.raises(UpstreamError, match="no such field") as caught:
            await h.chat()
        assert caught.value.status == 400
        assert len(h.journal.records) == 1


async def test_a_busy_connection_is_passed_over_without_a_call_or_a_record() -> None:
    crowded = snapshot(connection("one", max_in_flight=1), connection("two", priority=200))
    async with house(Answer(), configured=crowded) as h:
        full = crowded.connections["con_acme_one"].in_flight_counter
        assert h.shared.gauge_enter(full, 1)
        await h.chat()
        h.shared.gauge_leave(full)
        assert [step for step in h.story if step.startswith("call")] == ["call two"]
        assert len(h.journal.records) == 1


@pytest.mark.parametrize(
    ("changes", "error", "outcome"),
    [
        ({"headers": {}}, Unauthenticated, "unauthenticated"),
        ({"body": b"{"}, ClientError, "client_error"),
        ({"body": b'{"model":"acme/none","messages":[]}'}, UnknownModel, "client_error"),
    ],
)
async def test_who_is_refused_early_reaches_no_later_stage(
    changes: dict[str, object], error: type[Exception], outcome: str
) -> None:
    async with house() as h:
        asked: dict[str, object] = {"body": b'{"model":"m","messages":[]}', "watch": h.client}
        request = incoming(**(asked | changes))  # type: ignore[arg-type]  # one of its own parameters or a field
        with pytest.raises(error):
            await h.pipeline.chat(DOOR, request, h.reply)
        assert h.story == []
        (summary,) = h.summaries
        assert (summary.outcome, summary.attempts, summary.provider) == (outcome, 0, "")


async def test_limits_are_looked_at_before_the_upstream_is() -> None:
    async with house(Answer(), configured=snapshot(callers=[caller(requests_per_minute=1)])) as h:
        await h.chat()
        h.story.clear()
        with pytest.raises(RateLimited):
            await h.chat()
        assert h.story == []
        assert h.summaries[-1].outcome == "rate_limited"


async def test_a_full_journal_refuses_the_call_before_it_is_made() -> None:
    async with house(Answer(), configured=TWO) as h:
        h.journal.full = True
        with pytest.raises(Overloaded):
            await h.chat()
        assert h.story == []  # neither target was called: an attempt that cannot be written down does not happen
        assert (h.summaries[-1].outcome, h.summaries[-1].error_class) == ("overloaded", "journal_full")


async def test_a_defect_of_ours_is_told_as_one_and_not_as_the_providers() -> None:
    async with house(Answer(error=ZeroDivisionError()), configured=TWO) as h:
        with pytest.raises(ZeroDivisionError):
            await h.chat()
        assert [record.outcome for record in h.journal.records] == ["fault"]  # and no second provider is asked
        assert (h.summaries[-1].outcome, h.summaries[-1].status) == ("fault", 500)


async def test_models_are_what_this_key_can_call() -> None:
    known = snapshot(
        connection("one", models=("m", "n")), connection("two", "rival", models=("x",)),
        callers=[caller(allowed_models=("acme/*",))],
    )  # fmt: skip
    async with house(configured=known) as h:
        every, one = DOOR.client.listings
        await h.pipeline.listing(every, incoming(method="GET", path="/v1/models"), h.reply)
        assert b'"acme/m"' in h.reply.body
        assert b'"acme/n"' in h.reply.body
        assert b"rival" not in h.reply.body
        with pytest.raises(UnknownModel):
            await h.pipeline.listing(one, incoming(method="GET", path="/v1/models/rival/x"), h.reply)


async def test_a_refusal_of_our_credential_is_not_told_as_the_clients() -> None:
    refused = Answer(status=401, body=b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}')
    async with house(refused) as h:
        with pytest.raises(UpstreamError) as caught:
            await h.chat()
        assert caught.value.message == "Provider 'acme' refuses this gateway's account: Incorrect API key provided"
