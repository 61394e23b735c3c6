from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from omniroute.domain import Secret
from omniroute.storage import master_key
from omniroute.storage.faults import MasterKeyError

KEY = bytes(range(200, 232))
NONE = Secret("")


def load(path: Path, given: str = "", *, sealed_rows: bool = False) -> bytes:
    return master_key.load(Secret(given), path, sealed_rows=sealed_rows, random_bytes=os.urandom)


def test_the_first_start_makes_a_file_and_later_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    umask = os.umask(0)
    try:
        key = load(path)
    finally:
        os.umask(umask)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path, sealed_rows=True) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode(),
    ],
)
def test_a_key_is_given_in_hex_or_base64_and_then_no_file_is_made(tmp_path: Path, text: str) -> None:
    assert load(tmp_path / "master.key", text) == KEY
    assert list(tmp_path.iterdir()) == []


def test_a_given_key_comes_before_the_file(tmp_path: Path) -> None:
    load(tmp_path / "master.key")
    assert load(tmp_path / "master.key", KEY.hex()) == KEY


@pytest.mark.parametrize("text", ["correct horse battery staple", "00" * 31, KEY.hex()[:-1] + "x", "AAAA", "é" * 64])
def test_what_is_no_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyError, match="OMNIROUTE_MASTER_KEY") as caught:
        load(tmp_path / "master.key", text)
    assert text not in caught.value.message
    assert "openssl rand -hex 32" in caught.value.message


def test_a_damaged_file_is_refused_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.touch(mode=0o600)
    with pytest.raises(MasterKeyError, match=str(path)):
        load(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    load(path)
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        load(path)


def test_a_lost_key_is_not_replaced_while_secrets_depend_on_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(MasterKeyError, match="put the file back"):
        load(path, sealed_rows=True)
    assert not path.exists()
