"""Streams whose bytes pass: what they say is noted on the side, tags are cut, and what the client did not ask for is hidden."""

from __future__ import annotations
