"""Translators in plain Python: what a pump may be handed besides the compiled ones."""

from __future__ import annotations


class Events:
    """Whole events (up to a blank line) pass unchanged; ``[DONE]`` is the end mark, ``finish`` in an event finishes."""

    def __init__(self) -> None:
        self.done = False
        self.finished = False
        self.overflow = False
        self.fed = 0
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        self.fed += len(data)
        if self.done:
            return b""
        self._held += data
        end = self._held.find(b"[DONE]\n\n")
        if end >= 0:
            self.done = True
            output, self._held = self._held[: end + 8], b""
            return output
        end = self._held.rfind(b"\n\n") + 2 if b"\n\n" in self._held else 0
        output, self._held = self._held[:end], self._held[end:]
        self.finished = self.finished or b"finish" in output
        self.overflow = b"overflow" in output
        return output

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held + b": bye\n\n"


class Upper(Events):
    """The same in capitals: output is not input."""

    def feed(self, data: bytes) -> bytes:
        return super().feed(data).upper()


class Raises(Events):
    """Fails on the word ``boom``, or at the end, with the payload in its message."""

    def __init__(self, *, at_finish: bool = False) -> None:
        super().__init__()
        self._at_finish = at_finish

    def feed(self, data: bytes) -> bytes:
        if b"boom" in data:
            raise ValueError(f"cannot translate {data!r}")
        return super().feed(data)

    def finish(self) -> bytes:
        if self._at_finish:
            raise KeyError("secret")
        return super().finish()
