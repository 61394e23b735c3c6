"""``omniroute translate``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from omniroute.cli import main

REQUEST = (
    b'{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"x"}],"max_tokens":9,"seed":7}'
)
ANSWER = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}'
)
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},'
    b'"finish_reason":null}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def run(*args: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["translate", *args], input=given)


def test_a_request_goes_to_standard_output_and_its_losses_to_the_other(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(REQUEST)
    done = run("--from", "openai_chat", "--to", "anthropic", str(file))
    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout) == {
        "model": "m",
        "max_tokens": 9,
        "system": "S",
        "messages": [{"role": "user", "content": "x"}],
    }
    assert "POST /messages" in done.stderr
    assert "dropped (warning): seed" in done.stderr


def test_an_answer_comes_back_the_other_way() -> None:
    done = run("--from", "anthropic", "--to", "openai_chat", "-", given=ANSWER)
    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout)["choices"][0]["message"]["content"] == "Hi"


def test_a_stream_stays_one() -> None:
    done = run("--from", "openai_chat", "--to", "ollama", "-", given=STREAM)
    assert done.exit_code == 0
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [line["done"] for line in lines] == [False, True]
    assert lines[0]["message"]["content"] == "Hi"
    assert lines[1]["total_duration"] == 0, "nothing was waited for"


def test_quirks_of_a_provider_and_by_name() -> None:
    given = (
        b'{"model":"m","messages":[{"role":"developer","content":"S"},{"role":"user","content":"x"}],"max_tokens":9}'
    )
    options = ("--from", "openai_chat", "--to", "anthropic", "-")
    done = run("--quirk", "default_max_tokens=77", *options, given=REQUEST.replace(b'"max_tokens":9,', b""))
    assert msgspec.json.decode(done.stdout)["max_tokens"] == 77
    request = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
    done = run("--from", "anthropic", "--to", "openai_chat", "--provider", "openai", "-", given=request)
    assert msgspec.json.decode(done.stdout)["max_completion_tokens"] == 9
    assert run(*options, given=given).exit_code == 0


def test_the_target_may_know_the_model_by_another_name() -> None:
    done = run("--from", "openai_chat", "--to", "gemini", "--model", "g-1", "-", given=REQUEST)
    assert "POST /models/g-1:generateContent" in done.stderr


def test_json_for_programs() -> None:
    done = run("--from", "openai_chat", "--to", "anthropic", "--json", "-", given=REQUEST)
    told = msgspec.json.decode(done.stdout)
    assert (told["kind"], told["path"], told["body"]["system"]) == ("request", "/messages", "S")
    assert {loss["field"] for loss in told["losses"]} == {"seed"}


@pytest.mark.parametrize(
    ("args", "given", "words"),
    [
        (("--from", "openai_chat", "--to", "anthropic"), b"{", "JSON"),
        (("--from", "openai_chat", "--to", "anthropic"), b"hello", "neither"),
        (("--from", "nobody", "--to", "anthropic"), REQUEST, "'from' is no dialect"),
        (("--from", "openai_chat", "--to", "nobody"), REQUEST, "'to' is no dialect"),
        (("--from", "openai_chat", "--to", "ollama"), REQUEST.replace(b'"x"', b'[{"type":"image_url","image_url":{"url":"https://e.com/a.png"}}]'), "picture"),
        (("--from", "anthropic", "--to", "openai_chat", "--kind", "stream"), b"data: x", "no events"),
        (("--from", "openai_chat", "--to", "anthropic", "--quirk", "x=1"), REQUEST, "'quirks.x'"),
        (("--from", "openai_chat", "--to", "anthropic", "--quirk", "think_tags=7"), REQUEST, "'quirks'"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused_in_words(args: tuple[str, ...], given: bytes, words: str) -> None:
    done = run(*args, "-", given=given)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_options_that_are_none() -> None:
    assert run("--from", "openai_chat", "--to", "anthropic", "--quirk", "x", "-", given=REQUEST).exit_code == 2
    assert run("--from", "openai_chat", "--to", "anthropic", "--kind", "x", "-", given=REQUEST).exit_code == 2
