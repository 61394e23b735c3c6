"""What a child is told at birth, and the channel it talks back on."""

from __future__ import annotations

import os
import socket
from typing import Final, Literal

import msgspec

from omniroute.config import Settings

MAX_MESSAGE_BYTES: Final = 256 * 1024


class Boot(msgspec.Struct, frozen=True):
    """Sent by the supervisor as the first line on the channel. Descriptors are numbers in the child (inherited)."""

    role: Literal["worker", "control", "demo"]
    name: str
    settings: Settings
    slot: int
    """Row of the shared statistics this process writes."""
    shared_fd: int = -1
    snapshot_fd: int = -1
    listener_fds: tuple[int, ...] = ()
    demo_url: str = ""
    """Where the demo provider listens, for control to register."""


class Ready(msgspec.Struct, frozen=True):
    """Sent by a child once it serves."""

    demo_wanted: bool = False
    new_key: str = ""
    """The API key made at the first start: shown once by the supervisor, written nowhere."""

    def __repr__(self) -> str:
        return f"Ready(demo_wanted={self.demo_wanted})"


class Refused(msgspec.Struct, frozen=True):
    """Sent by a child that cannot start for a reason an operator can mend."""

    reason: str


class _Message(msgspec.Struct, frozen=True):
    ready: Ready | None = None
    refused: Refused | None = None


def send_boot(channel: socket.socket, boot: Boot) -> None:
    """Write the boot line (the socket's buffer holds it: nobody reads yet)."""
    channel.sendall(msgspec.json.encode(boot) + b"\n")


def receive_boot(fd: int) -> tuple[Boot, socket.socket]:
    """The boot line and the channel, in the child. Blocks until it is there."""
    channel = socket.socket(fileno=fd)
    data = bytearray()
    while not data.endswith(b"\n"):
        more = channel.recv(65536)
        if not more or len(data) > MAX_MESSAGE_BYTES:
            channel.close()
            raise SystemExit("the supervisor went away before it said what to do")
        data += more
    return msgspec.json.decode(data, type=Boot), channel


def send_ready(channel: socket.socket, ready: Ready) -> None:
    """Tell the supervisor that this process serves."""
    channel.sendall(msgspec.json.encode(_Message(ready=ready)) + b"\n")


def send_refused(channel: socket.socket, reason: str) -> None:
    """Tell the supervisor why this process cannot start."""
    channel.sendall(msgspec.json.encode(_Message(refused=Refused(reason))) + b"\n")


def parse_message(line: bytes) -> Ready | Refused:
    """What a child said."""
    message = msgspec.json.decode(line, type=_Message)
    said = message.ready or message.refused
    if said is None:
        raise ValueError("a child's message says nothing")
    return said


def anonymous_memory(name: str) -> int:
    """A descriptor of memory that children inherit and no path leads to."""
    return os.memfd_create(name, os.MFD_CLOEXEC)
