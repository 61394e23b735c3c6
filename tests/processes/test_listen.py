"""Listening sockets: what they are bound to, what is said when they cannot be."""

from __future__ import annotations

import socket

import pytest

from omniroute.processes.listen import BindError, bind, is_loopback, loopback_listener, url_of


def test_any_free_port_is_one_port_for_every_address_of_a_name() -> None:
    listeners = bind("localhost", 0)
    assert len({listener.getsockname()[1] for listener in listeners}) == 1
    for listener in listeners:
        with socket.create_connection(listener.getsockname()[:2], timeout=2):
            assert not listener.getblocking()
        listener.close()


def test_a_taken_port_is_told_with_what_to_do() -> None:
    with loopback_listener() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=rf"127\.0\.0\.1 port {port}.*--port"):
            bind("127.0.0.1", port)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(BindError, match=r"--host 'no\.such\.name\.invalid' cannot be resolved"):
        bind("no.such.name.invalid", 0)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
def test_the_url_that_is_shown_can_be_called(host: str, shown: str) -> None:
    (listener,) = bind(host, 0)
    with listener:
        assert url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_url_has_brackets() -> None:
    try:
        (listener,) = bind("::1", 0)
    except BindError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
        ("::", False), ("10.0.0.1", False), ("example.com", False), ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
