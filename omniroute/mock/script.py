"""The one small grammar that says how the mock answers: ``key=value`` or ``key``, separated by ``;`` or ``,``.

A value may be JSON (``arguments={"a": 1, "b": 2}``): separators inside its brackets and strings are its own. The same
text works in the ``X-Mock`` header, behind the first ``;`` of a model id (``echo;delay=200ms;rst-after=3``)
and in ``omniroute mock --script``. ``PARAMETERS`` is the grammar; parser, ``GET /mock`` and ``docs/mock.md`` follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

import msgspec

Framing = Literal[
    "", "bad-chunk", "short-length", "long-length", "extra-bytes", "no-framing", "double-cl", "cl-and-te", "bad-head"
]  # fmt: skip
Shape = Literal["duration", "count", "size", "word", "flag", "json"]
Finish = Literal["", "stop", "length", "content_filter", "tool_calls"]

MAX_SCRIPT_CHARS: Final = 1000
MAX_DURATION_S: Final = 3600.0
MAX_COUNT: Final = 1_000_000
MAX_SIZE_BYTES: Final = 64 * 1024 * 1024


class BadScript(ValueError):
    """The text does not follow the grammar; the message says what does."""


class Script(msgspec.Struct, frozen=True):
    """How one request is answered. The defaults are a well-behaved provider that answers at once."""

    head_delay_s: float = 0.0
    delay_s: float = 0.0
    pace_s: float = 0.0
    tokens: int | None = None
    status: int | None = None
    code: str = ""
    retry_after: int | None = None
    rst_after: int | None = None
    fin_after: int | None = None
    stall_after: int | None = None
    stall_s: float = 0.0
    framing: Framing = ""
    html: bool = False
    error_event_after: int | None = None
    error_first: bool = False
    big_event: int | None = None
    big_head: int | None = None
    split: int | None = None
    interim: bool = False
    comments: bool = False
    crlf: bool = False
    no_usage: bool = False
    no_done: bool = False
    keep_open: bool = False
    reasoning: int = 0
    redacted: bool = False
    signed: bool = False
    call: str = ""
    calls: int = 1
    arguments: str = ""
    """JSON text of an object."""
    no_ids: bool = False
    preamble: int = 0
    document: str = ""
    """JSON text."""
    cached: int = 0
    cache_write: int = 0
    finish: Finish = ""
    close: bool = False
    close_idle_s: float | None = None
    reset: bool = False
    reset_reused: bool = False
    every: int = 1

    @property
    def error_after(self) -> int | None:
        """Number of pieces before an error event, None without one."""
        return 0 if self.error_first else self.error_event_after

    @property
    def cuts(self) -> bool:
        """The answer is meant to break between two of its pieces."""
        return any(k is not None for k in (self.rst_after, self.fin_after, self.stall_after))


class Parameter(msgspec.Struct, frozen=True):
    """One word of the grammar."""

    name: str
    shape: Shape
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field of ``Script`` it sets."""
        return self.name.replace("-", "_") + ("_s" if self.shape == "duration" else "")


_FRAMINGS: Final = get_args(Framing)[1:]

PARAMETERS: Final = (
    Parameter("head-delay", "duration", "Pause before the response head."),
    Parameter("delay", "duration", "Pause before the first piece of the answer; a stream's head is already sent."),
    Parameter("pace", "duration", "Pause between two events of a stream."),
    Parameter("tokens", "count", "Length of the answer in words; the echoed text is repeated or cut."),
    Parameter("status", "count", "Answer with this HTTP status; 400 and above carry an error body."),
    Parameter("code", "word", "The `code` of the error instead of the usual one for its status."),
    Parameter("retry-after", "count", "Add `Retry-After`, in seconds."),
    Parameter("html", "flag", "An HTML error page instead of JSON, status 502 unless `status` says otherwise."),
    Parameter("error-first", "flag", "HTTP 200 whose first event (or whole body) is an error."),
    Parameter("error-event-after", "count", "HTTP 200, then an error event in place of event k, and the end."),
    Parameter("rst-after", "count", "TCP reset after k pieces; 0 is after the head."),
    Parameter("fin-after", "count", "Orderly close after k pieces, without the end of the body."),
    Parameter("stall-after", "count", "Send nothing more after k pieces, until the client leaves (or for `stall`)."),
    Parameter("stall", "duration", "How long `stall-after` lasts before the answer goes on."),
    Parameter("reset", "flag", "TCP reset instead of any answer."),
    Parameter("reset-reused", "flag", "TCP reset instead of any answer if the connection was used before."),
    Parameter("close", "flag", "Announce `Connection: close` and close after the answer."),
    Parameter("close-idle", "duration", "Promise keep-alive, and close this long after the answer."),
    Parameter("framing", "word", "Break the framing of the answer.", _FRAMINGS),
    Parameter("big-head", "size", "Add a response header of this size."),
    Parameter("interim", "flag", "Send `103 Early Hints` before the head."),
    Parameter("split", "count", "Write at most this many bytes at a time."),
    Parameter("crlf", "flag", "End the lines of a stream with CR LF."),
    Parameter("comments", "flag", "Put a comment line before each event."),
    Parameter("big-event", "size", "Put one event of this size into the answer."),
    Parameter("no-usage", "flag", "Never report usage."),
    Parameter("no-done", "flag", "Leave out the stream's end mark (`data: [DONE]`)."),
    Parameter("keep-open", "flag", "Send every event, but not the end of the HTTP body."),
    Parameter("reasoning", "count", "Put this many words of reasoning before the answer."),
    Parameter("redacted", "flag", "The reasoning is encrypted: only its signature or cipher is shown."),
    Parameter("signed", "flag", "OpenAI Chat: sign the reasoning, as OpenRouter does. Other dialects always do."),
    Parameter("call", "word", "Call this tool, even one that was not offered, until its result is the last message."),
    Parameter("calls", "count", "Call so many tools at once: the named one first, then the others offered."),
    Parameter("arguments", "json", "Arguments of every call, a JSON object, instead of ones that fit its schema."),
    Parameter("no-ids", "flag", "Leave out the ids of calls, as older Gemini and Ollama servers do."),
    Parameter("preamble", "count", "Say this many words before the calls."),
    Parameter("document", "json", "The text of the answer, a JSON document, instead of one that fits the schema."),
    Parameter("cached", "count", "Report this many prompt tokens as cached."),
    Parameter("cache-write", "count", "Report this many prompt tokens as written to the cache (Anthropic)."),
    Parameter("finish", "word", "The finish reason to report, in the dialect's own word for it.", get_args(Finish)[1:]),
    Parameter("every", "count", "Apply the script to every n-th request that brings it; the others are echoes."),
)  # fmt: skip
"""The grammar, in the order it is documented."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "echo": "",
        "slow": "delay=2s;pace=200ms",
        "limited": "status=429;retry-after=3",
        "denied": "status=401",
        "down": "status=503",
        "flaky": "every=2;status=500",
        "html": "html",
        "error-in-200": "error-first",
        "reset": "rst-after=3",
        "cut": "fin-after=3",
        "stall": "stall-after=3",
    }
)
"""Model names that bring a script with them."""

_BY_NAME: Final = MappingProxyType({parameter.name: parameter for parameter in PARAMETERS})
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)")
_SECONDS: Final = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0})
_SIZE: Final = re.compile(r"(\d+)(B|KB|MB)?")
_BYTES: Final = MappingProxyType({None: 1, "B": 1, "KB": 1024, "MB": 1024 * 1024})
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MARK: Final = re.compile(r'\\.|["{}\[\];,]', re.DOTALL)  # an escape is one mark, and none


def apply(base: Script, text: str) -> Script:
    """``base`` with what ``text`` says on top. Raises BadScript."""
    if len(text) > MAX_SCRIPT_CHARS:
        raise BadScript(f"a script has at most {MAX_SCRIPT_CHARS} characters, this one has {len(text)}")
    said: dict[str, object] = {}
    for item in _items(text):
        if not item.strip():
            continue
        name, equals, value = (part.strip() for part in item.partition("="))
        parameter = _BY_NAME.get(name)
        if parameter is None:
            raise BadScript(f"unknown parameter {name!r}; known are {', '.join(_BY_NAME)}")
        if bool(equals) == (parameter.shape == "flag"):
            wants = "takes no value" if equals else f"needs a value, as in {name}=..."
            raise BadScript(f"{name} {wants}")
        said[parameter.field] = _value(parameter, value) if equals else True
    return msgspec.convert(msgspec.structs.asdict(base) | said, Script)


def for_model(base: Script, model: str) -> Script:
    """``base``, then what the model's alias says, then what stands behind its first ``;``. Raises BadScript."""
    name, _, text = model.partition(";")
    alias = ALIASES.get(name.strip().rpartition("/")[2], "")
    return apply(apply(base, alias), text)


def _items(text: str) -> list[str]:
    """``text`` cut at ``;`` and ``,``, except inside brackets and strings of JSON."""
    found: list[str] = []
    at = depth = 0
    quoted = False
    for mark in _MARK.finditer(text):
        if mark[0] == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
        elif depth <= 0 and len(mark[0]) == 1:
            found.append(text[at : mark.start()])
            at = mark.end()
    return [*found, text[at:]]


def _json(parameter: Parameter, text: str) -> str:
    """``text``, made compact. Raises BadScript if it is no JSON, or no object where one is wanted."""
    try:
        document = msgspec.json.format(text.encode(), indent=-1).decode()
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadScript(f"{parameter.name}={text}: say JSON ({error})") from error
    if parameter.name == "arguments" and not document.startswith("{"):
        raise BadScript(f"{parameter.name}={text}: say a JSON object")
    return document


def _value(parameter: Parameter, text: str) -> object:
    name = parameter.name
    match parameter.shape:
        case "duration":
            if not (found := _DURATION.fullmatch(text)):
                raise BadScript(f"{name}={text}: say a duration such as 200ms, 1.5s or 2m")
            return _bounded(name, float(found[1]) * _SECONDS[found[2]], MAX_DURATION_S)
        case "size":
            if not (found := _SIZE.fullmatch(text)):
                raise BadScript(f"{name}={text}: say a size such as 300, 64KB or 1MB")
            return int(_bounded(name, int(found[1]) * _BYTES[found[2]], MAX_SIZE_BYTES))
        case "count":
            if not (text.isascii() and text.isdigit()):
                raise BadScript(f"{name}={text}: say a whole number")
            return int(_bounded(name, int(text), MAX_COUNT, least=_LEAST.get(name, 0), most=_MOST.get(name)))
        case "json":
            return _json(parameter, text)
        case "word" | "flag":  # a flag has no value to read
            allowed = text in parameter.choices if parameter.choices else bool(_WORD.fullmatch(text))
            if not allowed:
                raise BadScript(f"{name}={text}: say one of {', '.join(parameter.choices) or 'letters, digits, _ . -'}")
            return text


_LEAST: Final = MappingProxyType({"status": 200, "split": 1, "every": 1, "calls": 1})
_MOST: Final = MappingProxyType({"status": 599, "calls": 128})


def _bounded(name: str, value: float, limit: float, *, least: float = 0, most: float | None = None) -> float:
    limit = limit if most is None else most
    if not least <= value <= limit:
        raise BadScript(f"{name} must be between {least:g} and {limit:g}")
    return value
