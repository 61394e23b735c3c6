"""Settings: the packages' Options in one Struct. The only reader of the environment.

Order: built-in default, environment, command line. Every field of every Options Struct is a variable named
``OMNIROUTE_<SECTION>_<FIELD>`` (``OMNIROUTE_<FIELD>`` for the process section); docs/configuration.md lists them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_type_hints

import msgspec

from omniroute.edge.options import EdgeOptions
from omniroute.pipeline.values import PipelineOptions
from omniroute.upstream.options import UpstreamOptions

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


def _doc(description: str, **bounds: float) -> msgspec.Meta:
    return msgspec.Meta(description=description, **bounds)  # type: ignore[arg-type]  # bounds are numbers


class ProcessOptions(msgspec.Struct, frozen=True):
    """What runs, where it listens, where it keeps its data."""

    host: Annotated[str, _doc("Address to listen on. Anything but loopback is refused while no API key exists.")] = "127.0.0.1"
    port: Annotated[int, _doc("Port to listen on; 0 takes any free one.", ge=0, le=65535)] = 20128
    workers: Annotated[int, _doc("Worker processes; 0: one for each core.", ge=0, le=60)] = 0
    admin_bind: Annotated[str, _doc("HOST:PORT for management alone; empty: on the public port, with a key of scope 'manage'.")] = ""
    data_dir: Annotated[str, _doc("Directory of the database, the journal and the sockets.")] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _doc("Least severe level that is logged.")] = "info"
    log_format: Annotated[Literal["json", "text"], _doc("One JSON object a line, or text for people.")] = "text"
    drain_seconds: Annotated[float, _doc("How long running requests may go on after SIGTERM.", ge=0, le=86400)] = 30.0
    relay_buffer_bytes: Annotated[
        int, _doc("Unsent bytes per client above which its upstream is not read.", ge=4096)
    ] = 256 * 1024
    demo: Annotated[bool, _doc("Start the built-in demo provider when its connection exists.")] = True


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


class ConfigurationError(Exception):
    """A setting is not what it must be; the message names the variable or flag and what it takes."""


ALIASES: Final = {"OMNIROUTE_PORT": ("PORT", "API_PORT"), "OMNIROUTE_DATA_DIR": ("DATA_DIR",)}
MASTER_KEY: Final = "OMNIROUTE_MASTER_KEY"
"""The key of secrets at rest; read by control alone (``master_key``), so it is no field of Settings."""


def variables() -> tuple[Variable, ...]:
    """All of them, in the order of the sections."""
    found = []
    for section in msgspec.structs.fields(Settings):
        options = type(section.default)
        hints = get_type_hints(options, include_extras=True)
        prefix = "OMNIROUTE_" if section.name == "process" else f"OMNIROUTE_{section.name.upper()}_"
        for field in msgspec.structs.fields(options):
            name = prefix + field.name.upper()
            meta = getattr(hints[field.name], "__metadata__", ())
            description = next((m.description for m in meta if isinstance(m, msgspec.Meta) and m.description), "")
            found.append(Variable(name, section.name, field.name, _shown(field.default), description, ALIASES.get(name, ())))
    return tuple(found)


def load(environ: Mapping[str, str] | None = None, **flags: object) -> Settings:
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
    options = type(getattr(Settings(), variable.section))
    kind = get_type_hints(options, include_extras=True)[variable.field]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{name}={text!r}: {exc}. {variable.description}") from exc


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
