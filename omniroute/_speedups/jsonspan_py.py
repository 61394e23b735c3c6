"""Where the top-level members of a JSON object are, without building it. The specification; ``jsonspan_c`` is the speed.

Used to read the few fields of a request the gateway must know and to patch the fewer it owns, so that every other byte of
the body reaches the upstream as the client wrote it.
"""

from __future__ import annotations


def spans(data: bytes, keys: tuple[bytes, ...]) -> tuple[tuple[int, int] | None, ...]:
    """For each of ``keys`` the (start, end) of its value in the top-level object of ``data``, None where absent.

    A key that occurs twice gives its last value (what JSON readers do). Keys written with escapes (``"mod\\u0065l"``) match.
    ``data`` must be one JSON object with optional white space (and a UTF-8 byte-order mark) around it: structure is
    checked as far as needed to find the spans (brackets balance, strings end, separators are where they must be, depth at most 512);
    scalars inside values are not validated. Raises ``ValueError`` with the byte offset otherwise. Linear time.
    """
    raise NotImplementedError


def member_spans(data: bytes, keys: tuple[bytes, ...]) -> tuple[tuple[int, int] | None, ...]:
    """As :func:`spans`, but from the opening quote of the key to the end of the value: what must go to delete a member."""
    raise NotImplementedError


def patch(data: bytes, edits: tuple[tuple[int, int, bytes], ...]) -> tuple[bytes | memoryview, ...]:
    """``data`` with each (start, end, replacement) applied, as parts to be written in order, without copying the rest.

    Edits are disjoint and ascending; (i, i, b) inserts. ``b"".join(patch(d, e))`` is the new document.
    """
    raise NotImplementedError


def open_brace(data: bytes) -> int:
    """Offset just after the top-level ``{``: where a member may be inserted. Raises ``ValueError`` if there is none."""
    raise NotImplementedError


def is_empty_object(data: bytes) -> bool:
    """True if the top-level object has no member (an inserted member then needs no comma)."""
    raise NotImplementedError
