"""API keys: made, recognised, digested for the snapshot's index, and found in a request.

A key is ``sk-or-``, the random part in base 62, and six characters of checksum (CRC-32 in base 62, as GitHub's tokens
have). The checksum is no secret and proves nothing: it lets a mistyped key, or one of another service, be refused
before anything is looked up, and lets secret scanners recognise ours with no false alarm. What is kept of a key is a
keyed digest: a copy of the database is of no use without the pepper, and 160 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

KEY_PREFIX: Final = "sk-or-"
RANDOM_BYTES: Final = 20
"""At least 160 bits: out of reach of guessing for any number of keys."""
MAX_RANDOM_BYTES: Final = 64
DIGEST_BYTES: Final = 16

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_CHARS: Final = 6  # 62**6 > 2**32
_SHOWN_CHARS: Final = 4
_MIN_BODY_CHARS: Final = 27  # 20 bytes in base 62
_MAX_BODY_CHARS: Final = 86  # 64 bytes
_PERSON: Final = b"omniroute-key"  # keeps the pepper's other uses from ever giving the same digest


def new_key(random_bytes: bytes) -> str:
    """A key holding all of ``random_bytes``: 20 to 64, fresh from the operating system (``ValueError`` otherwise)."""
    if not RANDOM_BYTES <= len(random_bytes) <= MAX_RANDOM_BYTES:
        raise ValueError(f"an API key needs {RANDOM_BYTES} to {MAX_RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    # log(256) / log(62) = 1.3436: room for the largest value, so that all keys of as many bytes are of one length.
    chars = len(random_bytes) * 134361 // 100000 + 1
    body = KEY_PREFIX + _base62(int.from_bytes(random_bytes, "big"), chars)
    return body + _checksum(body)


def well_formed(key: str) -> bool:
    """Whether ``key`` can be one of ours: prefix, alphabet, length and checksum."""
    body, checksum = key[:-_CHECKSUM_CHARS], key[-_CHECKSUM_CHARS:]
    random_part = body[len(KEY_PREFIX) :]
    return (
        body.startswith(KEY_PREFIX)
        and _MIN_BODY_CHARS <= len(random_part) <= _MAX_BODY_CHARS
        and random_part.isalnum()
        and random_part.isascii()
        and checksum == _checksum(body)
    )


def digest_of(key: str | bytes, pepper: bytes) -> bytes:
    """The 16 bytes a caller is found by: BLAKE2b keyed with ``pepper`` (at most 64 bytes)."""
    raw = key.encode() if isinstance(key, str) else key
    return hashlib.blake2b(raw, digest_size=DIGEST_BYTES, key=pepper, person=_PERSON).digest()


def prefix_of(key: str) -> str:
    """What may be shown of a key, to tell it from others: ``sk-or-`` and four characters (24 of at least 160 bits)."""
    return key[: len(KEY_PREFIX) + _SHOWN_CHARS]


def presented_key(headers: Mapping[bytes, bytes], query: bytes) -> bytes | None:
    """The key a request carries, None if none. Header names are in lower case.

    In this order: bearer token, ``x-api-key``, ``x-goog-api-key``, ``?key=``. Clients of every dialect are served on
    one port, and SDKs differ in where they put it.
    """
    scheme, _, token = headers.get(b"authorization", b"").strip().partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        return token.strip()
    for name in (b"x-api-key", b"x-goog-api-key"):
        value = headers.get(name, b"").strip()
        if value:
            return value
    for pair in query.split(b"&") if query else ():
        if pair.startswith(b"key=") and len(pair) > 4:
            return unquote_to_bytes(pair[4:])
    return None


def _base62(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("utf-8", "surrogatepass")), _CHECKSUM_CHARS)
