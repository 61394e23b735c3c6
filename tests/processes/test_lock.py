from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute.processes.lock import DataDirectoryLock, LockedError, holder_pid
from omniroute.paths import DataDirectoryError, DataPaths


@pytest.fixture
def paths(tmp_path: Path) -> DataPaths:
    found = DataPaths(tmp_path / "data")
    found.create()
    return found


def test_a_second_instance_is_refused_and_told_who_holds_the_directory(paths: DataPaths) -> None:
    with DataDirectoryLock(paths.data):
        with pytest.raises(LockedError) as caught, DataDirectoryLock(paths.data):
            pytest.fail("two owners of one directory")
        assert caught.value.pid == os.getpid()
        assert str(os.getpid()) in caught.value.message
        assert str(paths.data) in caught.value.message
        assert holder_pid(paths) == os.getpid()


def test_the_directory_is_free_again_after_the_block(paths: DataPaths) -> None:
    assert holder_pid(paths) == 0
    with DataDirectoryLock(paths.data):
        pass
    assert holder_pid(paths) == 0
    with DataDirectoryLock(paths.data):
        assert holder_pid(paths) == os.getpid()


def test_an_error_in_the_block_frees_the_directory(paths: DataPaths) -> None:
    with pytest.raises(ZeroDivisionError), DataDirectoryLock(paths.data):
        raise ZeroDivisionError
    assert holder_pid(paths) == 0


@pytest.mark.slow
def test_a_killed_holder_leaves_the_directory_free(paths: DataPaths) -> None:
    script = (
        "import sys; from omniroute.processes.lock import DataDirectoryLock\n"
        "with DataDirectoryLock(sys.argv[1]):\n    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(paths.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert holder_pid(paths) == child.pid
        with pytest.raises(LockedError, match=f"pid {child.pid}"), DataDirectoryLock(paths.data):
            pytest.fail("two owners of one directory")
        child.send_signal(signal.SIGKILL)
        child.wait()
    with DataDirectoryLock(paths.data):
        assert holder_pid(paths) == os.getpid()


def test_children_do_not_inherit_the_lock(paths: DataPaths) -> None:
    with DataDirectoryLock(paths.data):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        assert holder_pid(paths) == 0
    finally:
        child.communicate()


def test_directories_are_closed_to_others(paths: DataPaths) -> None:
    for directory in (paths.data, paths.run, paths.rings):
        assert directory.stat().st_mode & 0o777 == 0o700
    with DataDirectoryLock(paths.data):
        assert paths.lock.stat().st_mode & 0o777 == 0o600


def test_an_open_run_directory_is_closed(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path)
    paths.run.mkdir(mode=0o755)
    paths.create()
    assert paths.run.stat().st_mode & 0o777 == 0o700


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path / ("d" * 120))
    with pytest.raises(DataDirectoryError, match="--data-dir"):
        paths.create()
    assert not paths.data.exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirectoryError, match="cannot use"):
        DataPaths(tmp_path / "data").create()
