"""Every vendor's client, unchanged, in front of an upstream of every dialect, through the whole gateway.

The upstream is the product's mock, which was written from the vendors' types and refuses what they refuse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import product
from typing import TypeVar

import msgspec
import pytest
import trio

from omniroute.mock import Mock, MockOptions, running
from tests.e2e.standing import Row, Standing
from tests.e2e.talkers import Chat, Talker, Weather, talkers

Result = TypeVar("Result")

BASES = {"openai_chat": "/v1", "openai_responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "ollama": ""}
"""What an operator writes behind the host."""
TEXT = 'What is  the weather\nin Zürich, 東京 and "Paris\\"?'
WORDS = 9
TOOLS = ("weather", "time")

PAIRS = pytest.mark.parametrize(
    ("client", "upstream"), [pytest.param(*pair, id="->".join(pair)) for pair in product(BASES, BASES)]
)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class House:
    """An upstream of one dialect behind the gateway, and a vendor's client in front of it."""

    def __init__(self, gateway: Standing, mock: Mock, provider: str, talker: Talker) -> None:
        self.gateway = gateway
        self.mock = mock
        self.provider = provider
        self.talker = talker

    def model(self, script: str = "") -> str:
        return f"{self.provider}/echo;{script}"

    async def talk(self, work: Callable[[Talker], Result]) -> Result:
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(work, self.talker)

    def sent(self) -> dict[str, object]:
        """The body of the last request the upstream was sent."""
        seen = self.mock.last.of("")
        assert seen is not None
        return msgspec.json.decode(bytes(seen.body))

    async def rows(self, count: int = 1) -> list[Row]:
        return await self.gateway.rows(provider=self.provider, count=count)


@pytest.fixture(scope="module")
def clients(gateway: Standing) -> Iterator[Mapping[str, Talker]]:
    """One of each for all tests, as a program has: making one reads the system's certificates."""
    with talkers(gateway.root, gateway.key) as found:
        yield found


@pytest.fixture
async def house(gateway: Standing, clients: Mapping[str, Talker], client: str, upstream: str) -> AsyncIterator[House]:
    async with running(MockOptions()) as mock:
        provider = await gateway.connect(mock.root_url + BASES[upstream], models=[], dialect=upstream)
        yield House(gateway, mock, provider, clients[client])


@PAIRS
@BOTH
async def test_what_is_said_arrives_with_its_usage(house: House, upstream: str, stream: bool) -> None:
    heard = await house.talk(lambda talker: talker.say(house.model("reasoning=3"), TEXT, stream=stream))
    assert (heard.text, heard.thought, heard.cut) == (TEXT, "mock thought mock", False)
    assert heard.usage == (WORDS, WORDS + 3)
    (row,) = await house.rows()
    assert (row.outcome, row.status, row.streamed) == ("ok", 200, stream)
    usage = row.usage
    assert (usage["input_total"], usage["output_total"], usage["known"]) == (WORDS, WORDS + 3, True)
    assert usage["reasoning"] == (0 if upstream in {"anthropic", "ollama"} else 3), "those two do not tell"


@PAIRS
@BOTH
async def test_a_loop_of_parallel_tools_runs_through(house: House, stream: bool) -> None:
    script = 'calls=3;preamble=2;reasoning=2;no-ids;arguments={"city": "Zürich \\"7\\"", "n": [1.50, null]}'
    heard = await house.talk(lambda talker: talker.say(house.model(script), TEXT, stream=stream, tools=TOOLS))
    arguments = {"city": 'Zürich "7"', "n": [1.5, None]}
    assert heard.calls == [("weather", arguments), ("time", arguments), ("weather", arguments)]
    assert heard.text == "What is"
    assert len(set(heard.ids)) == len(heard.ids)

    results = ["first", "second", "third"]
    again = await house.talk(lambda talker: talker.go_on(house.model(), TEXT, heard, results, TOOLS))
    assert again.calls == []
    assert again.text.endswith(
        "third"
    )  # some dialects hold all results in one message, some the last in one of its own
    sent = msgspec.json.encode(house.sent())
    assert sent.index(b"first") < sent.index(b"second") < sent.index(b"third")
    assert b"omr1:" not in sent, "what the gateway hid for one vendor is not shown to another"
    assert b"no result" not in sent


SIGNERS = {
    "anthropic": "bW9jay1zaWduYXR1cmU=",
    "gemini": "bW9jay1zaWduYXR1cmU=",
    "openai_responses": "bW9jay1lbmNyeXB0ZWQ=",
}
"""What the mock signs its reasoning with; these vendors want it back."""


@pytest.mark.parametrize(
    ("client", "upstream"),
    [
        pytest.param(*pair, id="->".join(pair))
        for pair in [*product(("anthropic", "openai_responses"), SIGNERS), ("gemini", "gemini")]
    ],
)
@BOTH
async def test_a_signature_comes_back_to_its_maker(house: House, upstream: str, stream: bool) -> None:
    script = house.model("reasoning=2;no-ids")
    heard = await house.talk(lambda talker: talker.say(script, TEXT, stream=stream, tools=TOOLS))
    await house.talk(lambda talker: talker.go_on(house.model(), TEXT, heard, ["done"], TOOLS))
    sent = msgspec.json.encode(house.sent())
    assert SIGNERS[upstream].encode() in sent
    assert b"omr1:" not in sent


@pytest.mark.parametrize(("client", "upstream"), [("openai_chat", upstream) for upstream in BASES])
@BOTH
async def test_the_legacy_completions_are_answered_by_anyone(house: House, stream: bool) -> None:
    def complete(talker: Talker) -> str:
        assert isinstance(talker, Chat)
        return talker.complete(house.model(), TEXT, stream=stream)

    assert await house.talk(complete) == TEXT


@PAIRS
async def test_the_limit_a_picture_and_a_document(house: House) -> None:
    cut = await house.talk(lambda talker: talker.say(house.model(), TEXT * 4, limit=16))
    assert (cut.cut, cut.usage[1]) == (True, 16)
    seen = await house.talk(lambda talker: talker.say(house.model(), "a b", image=True))
    assert (seen.text, seen.usage) == ("a b", (2 + 85, 2))
    script = 'document={"city": "Paris", "days": 3}'
    assert await house.talk(lambda talker: talker.parse(house.model(script), "?")) == Weather(city="Paris", days=3)


@PAIRS
@BOTH
async def test_an_error_has_its_status(house: House, stream: bool) -> None:
    for script, status in (
        ("status=429;retry-after=7", 429),
        ("status=400", 400),
        ("status=404", 404),
        ("error-first", 502),
    ):
        with pytest.raises(house.talker.failure) as caught:
            await house.talk(lambda talker, script=script: talker.say(house.model(script), TEXT, stream=stream))
        told = house.talker.status_of(caught.value)
        assert told == (500 if status == 502 and told == 500 else status), script  # Google has no 502


@PAIRS
async def test_an_error_inside_the_stream_is_no_end(house: House) -> None:
    with pytest.raises(house.talker.broken):
        await house.talk(lambda talker: talker.say(house.model("error-event-after=10;tokens=20"), TEXT, stream=True))
    (row,) = await house.rows()
    assert row.outcome != "ok"


@pytest.mark.slow
@PAIRS
async def test_a_stream_is_the_same_however_it_is_cut(house: House, client: str, upstream: str) -> None:
    # Google's client dies of comments, which Google does not send; from one to the other the bytes pass as they are.
    script = "split=1;crlf;reasoning=2" + (";comments" if (client, upstream) != ("gemini", "gemini") else "")
    heard = await house.talk(lambda talker: talker.say(house.model(script), TEXT, stream=True))
    assert (heard.text, heard.thought, heard.usage) == (TEXT, "mock thought", (WORDS, WORDS + 2))
