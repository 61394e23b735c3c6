"""Settings: the packages' Options in one Struct. The only reader of the environment.

Order: built-in default, environment, command line. Every field of every Options Struct is a variable named
``OMNIROUTE_<SECTION>_<FIELD>`` (``OMNIROUTE_<FIELD>`` for the process section); docs/configuration.md lists them all.
"""

from __future__ import annotations

import ast
import inspect
import math
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_type_hints

import msgspec

from omniroute.edge.options import EdgeOptions
from omniroute.errors import OmniRouteError
from omniroute.pipeline.values import PipelineOptions
from omniroute.upstream.options import UpstreamOptions

MAX_WORKERS: Final = 60
"""Shared memory has rows for 64 processes: these, control, the demo and two that drain during a reload."""


class ProcessOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What runs, where it listens, where it keeps its data."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback is refused while no API key exists."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 20128
    """Port to listen on; 0 takes any free one."""
    workers: Annotated[int, msgspec.Meta(ge=0, le=MAX_WORKERS)] = 0
    """Worker processes, at most 60; 0: one for each core."""
    admin_bind: str = ""
    """``HOST:PORT`` for management alone; empty: on the public port, for keys with the scope ``manage``."""
    data_dir: str = ""
    """Directory of the database, the journal and the sockets.
    Default: ``$XDG_CONFIG_HOME/omniroute`` or ``~/.omniroute``."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """One JSON object a line, or text for people; auto: text on a terminal, else json."""
    drain_seconds: float = 30.0
    """How long running requests may go on after SIGTERM."""
    relay_buffer_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 256 * 1024
    """Unsent bytes per client above which its upstream is not read."""
    demo: bool = True
    """Start the built-in demo provider where its connection exists."""


class Settings(msgspec.Struct, frozen=True):
    """Everything fixed at start."""

    process: ProcessOptions = ProcessOptions()
    edge: EdgeOptions = EdgeOptions()
    upstream: UpstreamOptions = UpstreamOptions()
    pipeline: PipelineOptions = PipelineOptions()


class Variable(msgspec.Struct, frozen=True):
    """One environment variable."""

    name: str
    section: str
    field: str
    default: str
    description: str
    aliases: tuple[str, ...] = ()


class ConfigurationError(OmniRouteError):
    """A setting is not what it must be; the message names the variable or flag and what it takes."""

    code = "bad_setting"


ALIASES: Final = {"OMNIROUTE_PORT": ("PORT", "API_PORT"), "OMNIROUTE_DATA_DIR": ("DATA_DIR",)}
MASTER_KEY: Final = "OMNIROUTE_MASTER_KEY"
"""The key of secrets at rest; read by control alone (``master_key``), so it is no field of Settings."""


def variables() -> tuple[Variable, ...]:
    """All of them, in the order of the sections, each described by the text under its field."""
    found = []
    for section in msgspec.structs.fields(Settings):
        options = type(section.default)
        described = _descriptions(options)
        prefix = "OMNIROUTE_" if section.name == "process" else f"OMNIROUTE_{section.name.upper()}_"
        for field in msgspec.structs.fields(options):
            name = prefix + field.name.upper()
            description = described.get(field.name, "")
            found.append(
                Variable(name, section.name, field.name, _shown(field.default), description, ALIASES.get(name, ()))
            )
    return tuple(found)


def _descriptions(options: type[msgspec.Struct]) -> dict[str, str]:
    """Field name to the string that stands under it in the class's source, on one line."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            texts[field.target.id] = " ".join(str(text).replace("``", "`").split())
    return texts


def load(flags: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and the command line (``flags`` of the process section; None: not given).

    Raises ConfigurationError naming the variable.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, dict[str, object]] = {}
    for variable in variables():
        for name in (variable.name, *variable.aliases):
            if environ.get(name, "") != "":
                given.setdefault(variable.section, {})[variable.field] = _converted(variable, name, environ[name])
                break
    process = given.setdefault("process", {})
    process.update({name: value for name, value in flags.items() if value is not None})
    if not process.get("data_dir"):
        process["data_dir"] = default_data_dir(environ)
    process["data_dir"] = str(Path(str(process["data_dir"])).expanduser().absolute())
    try:
        return msgspec.convert(given, Settings)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"Bad setting: {exc}") from exc


def default_data_dir(environ: Mapping[str, str]) -> str:
    """``$XDG_CONFIG_HOME/omniroute`` if that is set, else ``~/.omniroute``."""
    xdg = environ.get("XDG_CONFIG_HOME")
    return f"{xdg}/omniroute" if xdg else "~/.omniroute"


def master_key(environ: Mapping[str, str] | None = None) -> str:
    """The key of secrets at rest if the environment gives one, else empty (a 0600 file is used)."""
    return (os.environ if environ is None else environ).get(MASTER_KEY, "")


def _converted(variable: Variable, name: str, text: str) -> object:
    """The value ``text`` stands for. Lists are separated by commas; numbers are never negative."""
    kind = get_type_hints(type(getattr(Settings(), variable.section)), include_extras=True)[variable.field]
    given = tuple(part.strip() for part in text.split(",")) if kind == tuple[str, ...] else text
    try:
        value = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{name}={text!r}: {exc}. {variable.description}") from exc
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        wrong = "must not be negative" if value < 0 else "must be a finite number"
        raise ConfigurationError(f"{name}={text!r}: {wrong}. {variable.description}")
    return value


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


NOT_SETTINGS: Final = frozenset(
    {MASTER_KEY, "OMNIROUTE_NO_SPEEDUPS", "OMNIROUTE_REQUIRE_SPEEDUPS", "OMNIROUTE_API_KEY"}
)
"""Read elsewhere: the master key, the chooser of the twins, the test suite, the client side of ``omniroute bench``."""


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like settings and are none: a misspelt one would otherwise be ignored in silence."""
    known = {variable.name for variable in variables()} | NOT_SETTINGS
    given = os.environ if environ is None else environ
    return sorted(name for name in given if name.startswith("OMNIROUTE_") and name not in known)


def plain_twins_wanted() -> bool:
    """The operator asked for the plain-Python twins of the compiled parts."""
    return bool(os.environ.get("OMNIROUTE_NO_SPEEDUPS"))
