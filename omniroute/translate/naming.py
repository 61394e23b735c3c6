"""Names and ids inside what a target accepts, and back; the same input gives the same output (translation.md §11.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HASH_CHARS: Final = 9


class Rule(msgspec.Struct, frozen=True):
    """What a target accepts: a pattern the whole must match, and how long it may be."""

    pattern: str
    most: int
    replace: str = "_"
    """Stands for characters that are not allowed; "" with ``hashed``."""
    hashed: bool = False
    """What does not fit is replaced as a whole by letters and digits made from it (ids), else by character."""
    prefix: str = ""
    """Of hashed ones."""


CHAT_ID: Final = Rule(r"[\s\S]+", 40, hashed=True, prefix="call_")
RESPONSES_ID: Final = Rule(r"[\s\S]+", 64, hashed=True, prefix="call_")
ANTHROPIC_ID: Final = Rule(r"[a-zA-Z0-9_-]+", 256, hashed=True, prefix="toolu_")
MISTRAL_ID: Final = Rule(r"[a-zA-Z0-9]{9}", 9, hashed=True)
OPENAI_NAME: Final = Rule(r"[a-zA-Z0-9_-]+", 64)
"""Chat and Responses."""
ANTHROPIC_NAME: Final = Rule(r"[a-zA-Z0-9_-]+", 128)
GEMINI_NAME: Final = Rule(r"[a-zA-Z_][a-zA-Z0-9_.-]*", 64)


class Renamer:
    """Fits names (or ids) of one request to a rule, each to one of its own, and remembers how to get back."""

    __slots__ = ("_given", "_match", "_restored", "_rule", "_taken")

    def __init__(self, rule: Rule, reserved: Iterable[str] = ()) -> None:
        """``reserved``: names the request also uses; one that fits keeps itself, whoever is asked for first."""
        self._rule = rule
        self._match = re.compile(rule.pattern).fullmatch
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()
        self._restored: dict[str, str] = {}
        for name in reserved:
            if name not in self._taken and self._accepts(name):
                self._given[name] = name
                self._taken.add(name)

    def fit(self, name: str) -> str:
        """``name`` itself if the rule takes it; else what stands for it, the same each time, never another's."""
        known = self._given.get(name)
        if known is not None:
            return known
        fitted = name if self._accepts(name) and name not in self._taken else self._free(name)
        self._given[name] = fitted
        self._taken.add(fitted)
        if fitted != name:
            self._restored[fitted] = name
        return fitted

    @property
    def restored(self) -> Mapping[str, str]:
        """Fitted name to the client's, for those that differ."""
        return self._restored

    def _accepts(self, name: str) -> bool:
        return len(name) <= self._rule.most and self._match(name) is not None

    def _free(self, name: str) -> str:
        salt = 0
        while True:
            fitted = self._made(name, salt)
            if fitted not in self._taken:
                return fitted
            salt += 1

    def _made(self, name: str, salt: int) -> str:
        rule, mark = self._rule, _letters(f"{name}\0{salt}" if salt else name)
        if rule.hashed:
            return (rule.prefix + mark * 2)[: rule.most] if rule.prefix else mark[: rule.most]
        kept = "".join(char if re.fullmatch(r"[a-zA-Z0-9_-]", char) else rule.replace for char in name)
        kept = kept if re.match(r"[a-zA-Z_]", kept) else f"_{kept}"
        if not salt and len(kept) <= rule.most:
            return kept
        return f"{kept[: rule.most - len(mark) - 1]}_{mark}"


def fitted(rule: Rule, name: str) -> str:
    """``name`` if ``rule`` takes it, else what stands for it: for ids of answers, which come back as shown."""
    return Renamer(rule).fit(name)


def _letters(text: str) -> str:
    """Nine letters and digits that stand for ``text``."""
    number = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest())
    letters = []
    for _ in range(_HASH_CHARS):
        number, digit = divmod(number, len(_BASE62))
        letters.append(_BASE62[digit])
    return "".join(letters)
