"""A process full of slow clients: each sends one byte of its request's head per second, until it is told to stop.

``python -m tests.e2e.dawdlers HOST PORT COUNT``: says "ready" once all are connected; when its standard input closes, it
says how the gateway took leave of them, as JSON. A process of its own, so that it does not slow down who measures.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections import Counter

import msgspec

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
STEPS = 50
"""Groups that take turns within a second."""


def main(host: str, port: int, count: int) -> None:
    slow = []
    for _ in range(count):
        sock = socket.create_connection((host, port))
        sock.setblocking(False)
        slow.append(sock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    started_at = time.monotonic()
    for step in range(len(HEAD) * STEPS):
        byte = HEAD[step // STEPS : step // STEPS + 1]
        for sock in slow[step % STEPS :: STEPS]:
            with contextlib.suppress(OSError):  # the gateway has closed it: counted below
                sock.send(byte)
        pause_s = max(0.0, started_at + (step + 1) / STEPS - time.monotonic())
        if select.select([sys.stdin], [], [], pause_s)[0]:
            break
    said = Counter(map(last_words, slow))
    sys.stdout.write(msgspec.json.encode(said).decode())


def last_words(sock: socket.socket) -> str:
    """The status line of what the gateway said before it closed."""
    said = b""
    try:
        while more := sock.recv(65536):
            said += more
    except BlockingIOError:
        return "still open"
    except ConnectionResetError:  # what a byte that came after the close is answered with
        return said.partition(b"\r\n")[0].decode() or "reset"
    finally:
        sock.close()
    return said.partition(b"\r\n")[0].decode()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
