"""What a child is told at birth and says when it serves."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import msgspec
import pytest

from omniroute.config import ProcessOptions, Settings
from omniroute.processes.boot import (
    MAX_MESSAGE_BYTES,
    Boot,
    Ready,
    Refused,
    anonymous_memory,
    parse_message,
    receive_boot,
    send_boot,
    send_ready,
    send_refused,
)

BOOT = Boot("worker", "worker-3", Settings(process=ProcessOptions(port=1)), 3, 7, 8, (9, 10), "http://demo")


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(2)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_child_is_told_all_of_its_settings(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    send_boot(ours, BOOT)
    boot, kept = receive_boot(os.dup(theirs.fileno()))
    with kept:
        assert boot == BOOT
        send_ready(kept, Ready(demo_wanted=True, new_key="sk-or-x"))
    assert parse_message(ours.recv(65536).rstrip(b"\n")) == Ready(demo_wanted=True, new_key="sk-or-x")


def test_a_child_says_why_it_cannot_start(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    send_refused(theirs, "no key, and everybody can reach it")
    assert parse_message(ours.recv(65536).rstrip(b"\n")) == Refused("no key, and everybody can reach it")


def test_a_child_whose_supervisor_is_gone_ends(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    ours.sendall(b'{"half')
    ours.close()
    with pytest.raises(SystemExit, match="the supervisor went away"):
        receive_boot(theirs.detach())


def test_a_boot_line_has_a_bound() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_MESSAGE_BYTES)
        assert ours.send(b"x" * (MAX_MESSAGE_BYTES + 70_000)) > MAX_MESSAGE_BYTES
        with pytest.raises(SystemExit):
            receive_boot(theirs.detach())


@pytest.mark.parametrize("line", [b"{}", b"[]", b"", b"nonsense"])
def test_a_message_that_says_nothing_is_an_error(line: bytes) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        parse_message(line)


def test_memory_of_no_path_is_not_inherited_by_accident() -> None:
    fd = anonymous_memory("tests")
    assert not os.get_inheritable(fd)
    os.close(fd)
