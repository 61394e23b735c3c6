"""Commands on a gateway that does not run: they open its store themselves, under its lock."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from omniroute.auth import well_formed
from omniroute.cli import main
from omniroute.processes.lock import DataDirectoryLock

pytestmark = pytest.mark.slow  # each command opens and closes a database


class House:
    """One data directory and the command line over it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.asked = CliRunner(env=dict.fromkeys([n for n in os.environ if n.startswith("OMNIROUTE_")]))

    def run(self, *args: str, given: str | None = None) -> Result:
        return self.asked.invoke(main, [*args, "--data-dir", str(self.data)], input=given)

    def json(self, *args: str) -> object:
        done = self.run(*args, "--json")
        assert done.exit_code == 0, done.output
        return msgspec.json.decode(done.stdout)

    def rows(self, *args: str) -> list[dict[str, object]]:
        rows = self.json(*args)
        assert isinstance(rows, list)
        return rows

    def one(self, *args: str) -> dict[str, object]:
        row = self.json(*args)
        assert isinstance(row, dict)
        return row


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def test_a_key_is_shown_once_listed_and_revoked(house: House) -> None:
    made = house.run("keys", "create", "laptop", "--rpm", "60", "--allow-model", "acme/*")
    key = made.output.split()[0]
    assert made.exit_code == 0
    assert well_formed(key)
    (listed,) = house.rows("keys", "list")
    assert (listed["name"], listed["requests_per_minute"], listed["state"]) == ("laptop", 60, "active")
    assert key not in msgspec.json.encode(listed).decode()
    table = house.run("keys", "list").output
    assert "laptop" in table
    assert "acme/*" in table
    assert key not in table

    assert "is revoked" in house.run("keys", "revoke", "laptop").output
    assert [k["state"] for k in house.rows("keys", "list")] == ["revoked"]
    again = house.run("keys", "revoke", "nobody")
    assert again.exit_code == 1
    assert again.output.startswith("Error: ")


def test_the_store_is_for_its_owner_alone(house: House) -> None:
    house.run("keys", "create", "laptop")
    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
    for secret in ("omniroute.sqlite", "master.key"):
        assert stat.S_IMODE((house.data / secret).stat().st_mode) == 0o600


def test_a_connection_comes_and_goes_and_its_credential_is_never_shown(house: House) -> None:
    added = house.one(
        "providers", "add", "acme", "--base-url", "https://api.acme.example/v1", "--key", "sk-upstream-secret",
        "--model", "big", "--label", "eu", "--timeout", "first-byte=7", "--header", "X-Title=ours", "--priority", "5",
    )  # fmt: skip
    listed = house.rows("providers", "list")
    assert [(c["provider"], c["label"], c["models"], c["priority"]) for c in listed] == [("acme", "eu", ["big"], 5)]
    assert "sk-upstream-secret" not in str(added) + str(listed) + house.run("providers", "list").output
    assert b"sk-upstream-secret" not in (house.data / "omniroute.sqlite").read_bytes()
    assert "is removed" in house.run("providers", "remove", "acme").output
    assert house.rows("providers", "list") == []
    assert "There is no connection" in house.run("providers", "list").output


def test_a_connection_has_a_dialect_and_quirks(house: House) -> None:
    done = house.run(
        "providers", "add", "acme", "--base-url", "https://a.example", "--key", "", "--dialect", "ollama",
        "--quirk", "think_tags=true", "--quirk", "gemini_schema=openapi", "--quirk", "effort_budgets=[1,2,3]",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (row,) = house.rows("providers", "list")
    assert row["dialect"] == "ollama"
    assert row["quirks"] == {"think_tags": True, "gemini_schema": "openapi", "effort_budgets": [1, 2, 3]}
    assert "ollama" in house.run("providers", "list").output
    for wrong, words in (
        ("think_tags", "NAME=VALUE"),
        ("no_such=1", "quirks.no_such"),
        ("think_tags=perhaps", "quirks"),
    ):
        done = house.run("providers", "add", "b", "--base-url", "https://b.example", "--key", "", "--quirk", wrong)
        assert done.exit_code != 0
        assert words in done.output


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--timeout", "frist-byte=1"), "'frist-byte' is none of connect, first-byte, idle, client-write, total"),
        (("--timeout", "idle=soon"), "'soon' is not a number of seconds"),
        (("--header", "nothing"), "'nothing' is not NAME=VALUE"),
        (("--base-url", "ftp://x"), "base_url"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(house: House, args: tuple[str, ...], says: str) -> None:
    done = house.run("providers", "add", "acme", "--base-url", "https://a.example/v1", "--key", "", *args)
    assert done.exit_code != 0
    assert says in done.output
    assert house.rows("providers", "list") == []


def test_a_key_that_is_left_out_is_asked_for_and_not_echoed(house: House) -> None:
    done = house.run("providers", "add", "acme", "--base-url", "https://a.example/v1", given="typed-secret\n")
    assert done.exit_code == 0
    assert "typed-secret" not in done.output


def test_of_several_connections_one_is_named(house: House) -> None:
    for label in ("eu", "us"):
        house.run("providers", "add", "acme", "--base-url", "https://a.example/v1", "--key", "", "--label", label)
    done = house.run("providers", "remove", "acme")
    assert done.exit_code == 1
    assert "name one of acme/eu, acme/us" in done.output
    assert "acme/us is removed" in house.run("providers", "remove", "acme/us").output


def test_settings_are_shown_and_changed(house: House) -> None:
    assert house.one("settings") == {"heartbeat_s": 0.0, "max_attempts": 4}
    assert house.one("settings", "--heartbeat", "15")["heartbeat_s"] == 15
    assert "heartbeat_s" in house.run("settings").output
    assert house.one("settings") == {"heartbeat_s": 15.0, "max_attempts": 4}
    assert house.run("settings", "--max-attempts", "0").exit_code == 2


def test_an_empty_ledger(house: House) -> None:
    assert house.rows("ledger") == []
    assert "Nothing yet" in house.run("ledger").output
    assert house.one("ledger", "--totals") == {"attempts": 0, "by_outcome": []}


def test_the_doctor_says_what_is_wrong_and_how_to_fix_it(house: House) -> None:
    found = {finding["check"]: finding for finding in house.rows("doctor")}
    assert found["gateway"]["found"] == "not running"
    house.run("keys", "create", "laptop")
    house.run("keys", "revoke", "laptop")
    (house.data / "omniroute.sqlite").chmod(0o644)
    done = house.run("doctor", "--json")
    assert done.exit_code == 1
    problems = {f["check"]: f for f in msgspec.json.decode(done.stdout) if f["level"] == "problem"}
    assert set(problems) == {"secrets", "API keys"}
    assert problems["API keys"]["fix"] == "omniroute keys create NAME"
    assert problems["secrets"]["fix"].startswith("chmod 600 ")
    assert "problem" in house.run("doctor").output


def test_the_doctor_finds_a_misspelt_variable(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIROUTE_PROT", "1")
    warnings = [f for f in house.rows("doctor") if f["level"] == "warning"]
    assert "OMNIROUTE_PROT is not a setting" in [f["found"] for f in warnings]


def test_a_wrong_master_key_is_told_and_nothing_is_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.run("providers", "add", "acme", "--base-url", "https://a.example/v1", "--key", "sealed")
    monkeypatch.setenv("OMNIROUTE_MASTER_KEY", "ab" * 32)
    done = house.run("doctor", "--json")
    print(done.output)
    assert done.exit_code == 1
    assert "master key" in done.output.lower()
    monkeypatch.delenv("OMNIROUTE_MASTER_KEY")
    assert [c["problem"] for c in house.rows("providers", "list")] == [""]


def test_a_directory_that_is_held_by_someone_who_does_not_answer(house: House) -> None:
    with DataDirectoryLock(house.data):
        done = house.run("keys", "list")
    assert done.exit_code == 1
    assert "does not answer" in done.output


def test_ready_without_a_gateway_is_a_failure(house: House) -> None:
    done = house.run("doctor", "--ready")
    assert (done.exit_code, done.output) == (1, "Error: The gateway is not running.\n")
    assert not house.data.exists()
