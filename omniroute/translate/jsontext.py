"""JSON as text: literals, arguments and numbers that go from one dialect to another as they were spelled."""

from __future__ import annotations
