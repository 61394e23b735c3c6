"""Settings: where they come from, what wins, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.config import ConfigurationError, Settings, load, master_key, unknown_variables, variables

HOME = {"XDG_CONFIG_HOME": "/somewhere"}


def test_every_option_of_every_section_is_one_variable() -> None:
    names = [variable.name for variable in variables()]
    assert len(names) == len(set(names))
    assert {"OMNIROUTE_HOST", "OMNIROUTE_EDGE_BODY_BYTES", "OMNIROUTE_UPSTREAM_IDLE_S"} <= set(names)
    assert {variable.section for variable in variables()} == set(Settings.__struct_fields__)


def test_nothing_given_is_the_defaults() -> None:
    settings = load({}, HOME)
    assert settings.edge == Settings().edge
    assert (settings.process.host, settings.process.port) == ("127.0.0.1", 20128)
    assert settings.process.data_dir == "/somewhere/omniroute"


def test_without_xdg_the_data_is_in_the_home_directory() -> None:
    assert load({}, {}).process.data_dir == str(Path("~/.omniroute").expanduser())


def test_a_flag_wins_over_its_variable_and_a_variable_over_the_default() -> None:
    environ = HOME | {"OMNIROUTE_PORT": "1000", "OMNIROUTE_HOST": "::1"}
    process = load({"port": 2000, "host": None}, environ).process
    assert (process.port, process.host) == (2000, "::1")


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({"PORT": "1"}, 1),
        ({"API_PORT": "2"}, 2),
        ({"PORT": "1", "API_PORT": "2"}, 1),
        ({"PORT": "1", "OMNIROUTE_PORT": "3"}, 3),
        ({"PORT": "", "API_PORT": "2"}, 2),
    ],
)
def test_aliases(environ: dict[str, str], port: int) -> None:
    assert load({}, HOME | environ).process.port == port


def test_kinds_of_values() -> None:
    environ = HOME | {
        "OMNIROUTE_DEMO": "false", "OMNIROUTE_DRAIN_SECONDS": "1.5", "OMNIROUTE_LOG_FORMAT": "json",
        "OMNIROUTE_EDGE_CORS_ORIGINS": "https://a.example, https://b.example",
    }  # fmt: skip
    settings = load({}, environ)
    assert settings.process.demo is False
    assert (settings.process.drain_seconds, settings.process.log_format) == (1.5, "json")
    assert settings.edge.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMNIROUTE_PORT", "many"),
        ("OMNIROUTE_LOG_LEVEL", "loud"),
        ("OMNIROUTE_EDGE_BODY_BYTES", "1.5"),
        ("OMNIROUTE_EDGE_BODY_BYTES", "-1"),
        ("OMNIROUTE_DRAIN_SECONDS", "-0.5"),
        ("OMNIROUTE_DRAIN_SECONDS", "nan"),
        ("OMNIROUTE_DRAIN_SECONDS", "inf"),
        ("OMNIROUTE_PORT", "65536"),
        ("OMNIROUTE_WORKERS", "61"),
        ("OMNIROUTE_UPSTREAM_WRITE_MIN_BYTES_S", "0"),
        ("OMNIROUTE_UPSTREAM_REAP_EVERY_S", "0"),
        ("OMNIROUTE_DEMO", "perhaps"),
        ("PORT", "x"),
    ],
)
def test_a_bad_value_stops_the_start_and_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({}, HOME | {name: value})
    assert caught.value.message.startswith(f"{name}=")
    (described,) = [v.description for v in variables() if name in (v.name, *v.aliases)]
    assert described in caught.value.message  # so it also says what the variable takes


def test_a_variable_that_is_none_is_found() -> None:
    environ = {"OMNIROUTE_PROT": "1", "OMNIROUTE_PORT": "1", "OMNIROUTE_MASTER_KEY": "k", "HOME": "/"}
    assert unknown_variables(environ) == ["OMNIROUTE_PROT"]


def test_the_master_key_is_no_setting() -> None:
    environ = HOME | {"OMNIROUTE_MASTER_KEY": "very-secret"}
    assert master_key(environ) == "very-secret"
    assert "very-secret" not in repr(load({}, environ))
