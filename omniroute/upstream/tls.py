"""Client TLS: contexts by profile, handshakes before the socket is given to a wire."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from omniroute.domain import TlsProfile


class TlsProfileError(ValueError):
    """A profile's PEM text is not usable. The message names the field, never its content."""


class TlsContexts:
    """Bounded cache of client contexts."""

    def __init__(self, max_contexts: int) -> None:
        self._max = max_contexts
        self._contexts: dict[TlsProfile, ssl.SSLContext] = {}
        self._building = trio.Lock()  # two first calls to one provider must not parse the trust store twice

    async def get(self, profile: TlsProfile) -> ssl.SSLContext:
        """The context of ``profile``. Raises TlsProfileError."""
        async with self._building:
            context = self._contexts.pop(profile, None)
            if context is None:
                # tens of milliseconds of parsing: not on the event loop
                context = await trio.to_thread.run_sync(client_context, profile)
                if len(self._contexts) >= self._max:
                    del self._contexts[next(iter(self._contexts))]
            self._contexts[profile] = context  # at the end: the first is the one used longest ago
            return context


def client_context(profile: TlsProfile) -> ssl.SSLContext:
    """A verifying client context: system trust store plus the profile's CA. Blocks. Raises TlsProfileError."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if profile.ca_pem:
        try:
            context.load_verify_locations(cadata=profile.ca_pem)
        except (ssl.SSLError, ValueError):
            raise TlsProfileError("tls.ca_pem holds no PEM certificate") from None
    if profile.client_cert_pem:
        pem = f"{profile.client_cert_pem}\n{profile.client_key_pem.reveal()}\n"
        with _as_file(pem.encode()) as path:
            try:
                # the password callback: an encrypted key must fail here, not ask on a terminal
                context.load_cert_chain(path, password=lambda: b"")
            except (ssl.SSLError, ValueError, OSError):
                raise TlsProfileError(
                    "tls.client_cert_pem and tls.client_key_pem are not a certificate and its unencrypted key"
                ) from None
    return context


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path under which ``data`` can be read: OpenSSL takes a client certificate from files only."""
    if hasattr(os, "memfd_create"):  # Linux: a private key that never touches a disk
        fd = os.memfd_create("tls", os.MFD_CLOEXEC)
        try:
            with open(fd, "wb", closefd=False) as file:  # a descriptor, not a path
                file.write(data)
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    with tempfile.TemporaryDirectory() as folder:  # mode 0700
        path = Path(folder, "tls.pem")
        path.write_bytes(data)
        yield str(path)


async def handshake(
    sock: socket.socket, context: ssl.SSLContext, server_name: str, session: ssl.SSLSession | None
) -> ssl.SSLSocket:
    """``sock`` (connected, non-blocking) as a handshaken TLS socket; closed on failure. Raises OSError (SSLError)."""
    try:
        # ragged EOFs are told: without close_notify a body that ends with the connection may have been cut by anyone
        tls = context.wrap_socket(
            sock,
            server_hostname=server_name,
            session=session,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
    except BaseException:
        sock.close()
        raise
    try:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(tls)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(tls)
            else:
                return tls
    except BaseException:
        tls.close()
        raise
