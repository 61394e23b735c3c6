"""When an upstream says to come back: headers, error details and, failing those, its prose (translation.md §14.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 31 * 86400.0
"""A month, the longest quota period; what lies beyond is a clock that is wrong."""

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_PROSE: Final = re.compile(
    r"(?i)\b(?:try again|retry|wait|reset)\w*(?:\s+\w+){0,3}?\s+(?:(?:in|after|for)\s*)?"
    r"((?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+(?:\.\d+)?m?s)"
    r"|\d+(?:\.\d+)?\s*(?:milliseconds?|seconds?|minutes?|hours?))\b"
)
_UNITS_S: Final = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0}


def from_headers(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``retry-after``; a date there counts from the response's own ``Date``."""
    milliseconds = _number(headers.get(b"retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    raw = headers.get(b"retry-after")
    seconds = _number(raw)
    if seconds is not None:
        return _bounded(seconds)
    there, here = _date(raw), _date(headers.get(b"date"))
    return None if there is None or here is None else _bounded((there - here).total_seconds())


def from_ratelimit(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds from ``x-ratelimit-reset-*``: of what is used up, or the longest if no header says what is."""
    used_up: list[float] = []
    others: list[float] = []
    now = _date(headers.get(b"date"))
    for name, value in headers.items():
        if not name.startswith(b"x-ratelimit-reset"):
            continue
        seconds = _reset(value, now)
        if seconds is None:
            continue
        remaining = _number(headers.get(name.replace(b"-reset", b"-remaining")))
        (used_up if remaining is not None and remaining <= 0 else others).append(seconds)
    found = used_up or others
    return max(found) if found else None


def from_details(details: object) -> float | None:
    """Seconds from a ``google.rpc.RetryInfo`` among an error's details."""
    if not isinstance(details, list):
        return None
    for detail in details:
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return duration_s(delay)
    return None


def from_prose(text: str) -> float | None:
    """Seconds from a sentence such as "Please try again in 6m0s." or "Retry after 20 seconds"."""
    match = _PROSE.search(text)
    if match is None:
        return None
    number = re.match(r"(\d+(?:\.\d+)?)\s*([a-z]{4,})", match.group(1).lower())
    if number is not None:
        return _bounded(float(number.group(1)) * _UNITS_S[number.group(2).rstrip("s")])
    return duration_s(match.group(1))


def duration_s(text: str) -> float | None:
    """Seconds of a duration as Go and protobuf write it: ``1s``, ``6m0s``, ``20ms``, ``1.5s``; None if it is none."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return _bounded(days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _reset(value: bytes, now: datetime | None) -> float | None:
    """A duration, seconds, or an instant (epoch in seconds or milliseconds, ISO 8601) counted from ``now``."""
    text = value.decode("latin-1").strip()
    found = duration_s(text)
    if found is not None:
        return found
    number = _number(value)
    if number is not None and number <= MAX_RETRY_AFTER_S:
        return _bounded(number)
    if now is None:
        return None
    if number is not None:
        return _bounded((number / 1000 if number > 1e11 else number) - now.timestamp())
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _bounded((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() - now.timestamp())


def _number(raw: bytes | None) -> float | None:
    try:
        number = float(raw) if raw is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(raw: bytes | None) -> datetime | None:
    if raw is None:
        return None
    try:
        found = parsedate_to_datetime(raw.decode("latin-1"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
