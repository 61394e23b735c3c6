"""A team's own load test: chat requests, plain and streamed, against a running gateway.

    locust -f perf/locustfile.py --headless -u 200 -r 20 -t 2m --host http://127.0.0.1:20128

Options (and their variables): ``--model`` (OMNIROUTE_MODEL), ``--key`` (OMNIROUTE_KEY), ``--plain-weight``,
``--stream-weight``, ``--prompt-words``, ``--max-tokens``, ``--think-seconds``. Besides locust's own rows there is one
for each phase of a stream, of type SSE: ``first event``, ``gap between events``, ``whole stream``.
docs/load-testing.md says how to read them.
"""

from __future__ import annotations

import json  # noqa: TID251 - locust runs this file alone; it needs nothing of ours
import random
import time
from typing import TYPE_CHECKING, Final

from geventhttpclient.response import HTTPParseError
from locust import events, task
from locust.contrib.fasthttp import FastHttpUser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geventhttpclient.response import HTTPSocketResponse
    from locust.argument_parser import LocustArgumentParser
    from locust.contrib.fasthttp import ResponseContextManager
    from locust.env import Environment

PATH: Final = "/v1/chat/completions"
WORDS: Final = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett")


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """What to ask for, and how often."""
    parser.add_argument("--model", env_var="OMNIROUTE_MODEL", default="demo/echo", help="Model to ask for")
    parser.add_argument("--key", env_var="OMNIROUTE_KEY", default="", is_secret=True, help="API key")
    parser.add_argument(
        "--plain-weight", type=int, env_var="OMNIROUTE_PLAIN_WEIGHT", default=1, help="Share of whole answers"
    )
    parser.add_argument(
        "--stream-weight", type=int, env_var="OMNIROUTE_STREAM_WEIGHT", default=3, help="Share of streams"
    )
    parser.add_argument(
        "--prompt-words", type=int, env_var="OMNIROUTE_PROMPT_WORDS", default=200, help="Length of a prompt"
    )
    parser.add_argument(
        "--max-tokens", type=int, env_var="OMNIROUTE_MAX_TOKENS", default=200, help="Length of an answer"
    )
    parser.add_argument(
        "--think-seconds", type=float, env_var="OMNIROUTE_THINK_S", default=1.0, help="Pause of a user, on average"
    )


@events.test_start.add_listener
def check_options(environment: Environment, **_: object) -> None:
    """Say at once what would otherwise be a wall of 401s."""
    options = environment.parsed_options
    if options is not None and not options.key:
        print("no --key and no OMNIROUTE_KEY: every request will be refused, unless the target asks for none")
    if options is not None and options.plain_weight + options.stream_weight <= 0:
        raise ValueError("--plain-weight and --stream-weight are both 0: there is nothing to do")


class ChatUser(FastHttpUser):
    """One person with a chat client. The connection is kept open between questions."""

    network_timeout = 300.0
    connection_timeout = 10.0

    def wait_time(self) -> float:
        """Exponential: many users together then ask like a Poisson process, without beating in step."""
        mean = self.options.think_seconds
        return random.expovariate(1 / mean) if mean > 0 else 0.0

    def on_start(self) -> None:
        """Read the options once."""
        self.options = self.environment.parsed_options
        self.auth = {"Authorization": f"Bearer {self.options.key}"} if self.options.key else {}

    @task
    def ask(self) -> None:
        """One question, streamed or not by the weights."""
        plain, streamed = self.options.plain_weight, self.options.stream_weight
        if random.randrange(plain + streamed) < plain:
            self.plain()
        else:
            self.streamed()

    def _body(self, *, stream: bool) -> dict[str, object]:
        prompt = " ".join(random.choices(WORDS, k=self.options.prompt_words))
        return {
            "model": self.options.model,
            "max_tokens": self.options.max_tokens,
            "stream": stream,
            "messages": [{"role": "user", "content": prompt}],
        }

    def plain(self) -> None:
        """A whole answer: good only if it has text."""
        with self.client.post(
            PATH, json=self._body(stream=False), headers=self.auth, name="chat", catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(_reason(answer))
                return
            try:
                message = answer.json()["choices"][0]["message"]
            except (ValueError, LookupError, TypeError):
                answer.failure("200 without a choice in it")
                return
            if not message.get("content") and not message.get("tool_calls"):
                answer.failure("200 with an empty message")

    def streamed(self) -> None:
        """A stream: good only if it ended as a stream ends. A status of 200 says nothing about that."""
        asked_at = time.perf_counter()
        with self.client.post(
            PATH,
            json=self._body(stream=True),
            headers=self.auth,
            name="chat, head of a stream",
            stream=True,
            catch_response=True,
        ) as answer:
            if answer.status_code != 200:
                answer.failure(_reason(answer))
                return
            if problem := self._follow(answer.stream, asked_at):
                answer.failure(problem)

    def _follow(self, stream: HTTPSocketResponse, asked_at: float) -> str:
        """Read the events and report their times; "" or what was wrong with the stream."""
        count, last_at, size = 0, asked_at, 0
        try:
            for data in _events(stream):
                now = time.perf_counter()
                size += len(data)
                if data == b"[DONE]":
                    self._report("whole stream", now - asked_at, size)
                    stream.read()  # the end of the body, so that the connection can be used again
                    return "" if count else "a stream without an event"
                if data.startswith(b'{"error"'):
                    return f"error event: {data[:200].decode(errors='replace')}"
                count += 1
                self._report("gap between events" if count > 1 else "first event", now - last_at, len(data))
                last_at = now
        except (OSError, HTTPParseError) as error:
            return f"the stream broke off: {type(error).__name__}"
        return "the stream ended without [DONE]"

    def _report(self, name: str, seconds: float, size: int) -> None:
        self.environment.events.request.fire(
            request_type="SSE",
            name=name,
            response_time=seconds * 1000,
            response_length=size,
            exception=None,
            context={},
        )


def _reason(answer: ResponseContextManager) -> str:
    """Status and stable error code: one line in the failures table for each kind, not for each request."""
    try:
        code = json.loads(answer.text or "")["error"]["code"]
    except (ValueError, LookupError, TypeError):
        code = "no error body" if answer.status_code else "no answer"
    return f"{answer.status_code} {code}"


def _events(stream: HTTPSocketResponse) -> Iterator[bytes]:
    """The data of each SSE event, as soon as its line is there."""
    while line := stream.readline(b"\n"):
        if line.startswith(b"data:"):
            yield line[5:].strip()
