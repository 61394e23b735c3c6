"""Log lines: their forms, their bound, and what is never in them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

import msgspec
import pytest
import trio

from omniroute.domain import Secret, Summary
from omniroute.telemetry.log import BufferedHandler, Log

SUMMARY = Summary(
    1.7e9, "req_1", "key_1", "/v1/chat/completions", "127.0.0.1", "acme/m", "acme", "m", "one", "ok", "", 200, 1, True, 12.5,
    3.25, 0.2, 7, 3, 99, 4, 5,
)  # fmt: skip


class Reader:
    """The other end of the descriptor a log writes to."""

    def __init__(self) -> None:
        self.read_fd, self.fd = os.pipe()
        os.set_blocking(self.read_fd, False)

    def text(self) -> str:
        try:
            return os.read(self.read_fd, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def lines(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.text().splitlines()]

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.fd)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def test_one_json_object_a_line(reader: Reader) -> None:
    log = Log(source="worker-0", fd=reader.fd)
    log.warning("process_ended", process="worker-1", status=-9)
    log.flush()
    (line,) = reader.lines()
    assert abs(float(str(line.pop("time"))) - time.time()) < 60
    assert line == {
        "level": "warning", "source": "worker-0", "event": "process_ended", "process": "worker-1", "status": -9,
    }  # fmt: skip


def test_a_request_is_one_line_with_its_facts_and_no_more(reader: Reader) -> None:
    log = Log(source="worker-0", fd=reader.fd)
    log.request(SUMMARY)
    log.flush()
    (line,) = reader.lines()
    facts = msgspec.structs.asdict(SUMMARY)
    assert line == {"level": "info", "source": "worker-0", "event": "request", **facts}
    assert not {"body", "headers", "messages", "authorization", "prompt"} & set(facts)


def test_levels(reader: Reader) -> None:
    log = Log(level="warning", fd=reader.fd)
    log.info("quiet")
    log.request(SUMMARY)
    log.error("loud")
    log.flush()
    assert [line["event"] for line in reader.lines()] == ["loud"]


def test_text_for_people(reader: Reader) -> None:
    log = Log(form="text", source="control", fd=reader.fd)
    log.info("started", url="http://127.0.0.1:1", nothing="", none=None)
    log.request(SUMMARY)
    log.flush()
    first, second = reader.text().splitlines()
    assert first[9:].split() == ["info", "control", "started", "url=http://127.0.0.1:1"]
    assert "requested_model=acme/m" in second
    assert "status=200" in second


def test_what_is_not_a_terminal_gets_json(reader: Reader) -> None:
    log = Log(form="auto", fd=reader.fd)
    log.info("started")
    log.flush()
    assert reader.lines()[0]["event"] == "started"


def test_at_the_bound_lines_are_dropped_and_counted(reader: Reader) -> None:
    log = Log(fd=reader.fd, buffer_bytes=1000)
    for number in range(100):
        log.info("many", number=number)
    kept = 100 - log.dropped
    assert 5 < kept < 20
    log.flush()
    lines = reader.lines()
    assert [line["number"] for line in lines[:-1]] == list(range(kept))  # the first ones, in order
    assert (lines[-1]["event"], lines[-1]["count"]) == ("log_lines_dropped", 100 - kept)
    log.info("again")
    log.flush()
    assert [line["event"] for line in reader.lines()] == ["again"]


def test_a_reader_that_is_gone_stops_nothing() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    log = Log(fd=write_fd)
    log.info("unheard")
    log.flush()
    os.close(write_fd)


def test_a_secret_is_no_text_anywhere(reader: Reader) -> None:
    log = Log(form="text", fd=reader.fd)
    log.info("configured", credential=Secret("sk-very-secret"))
    log.flush()
    assert "sk-very-secret" not in reader.text()


def test_pythons_logging_ends_in_the_same_lines(reader: Reader) -> None:
    log = Log(fd=reader.fd)
    logger = logging.Logger("somewhere")
    logger.addHandler(BufferedHandler(log))
    logger.info("told %s", "so")
    try:
        1 / 0  # noqa: B018 - to fail
    except ZeroDivisionError:
        logger.exception("failed")
    log.flush()
    told, failed = reader.lines()
    assert (told["event"], told["level"], told["logger"]) == ("told so", "info", "somewhere")
    assert failed["level"] == "error"
    assert "ZeroDivisionError" in str(failed["traceback"])


async def test_lines_are_written_without_being_asked_for(reader: Reader) -> None:
    log = Log(fd=reader.fd)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.run)
        log.info("one")
        with trio.fail_after(2):
            await trio.lowlevel.wait_readable(reader.read_fd)
        nursery.cancel_scope.cancel()
    assert [line["event"] for line in reader.lines()] == ["one"]
