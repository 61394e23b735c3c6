"""Secrets at rest: every secret field is sealed by itself, bound to the place it belongs to.

An envelope is ``v1:`` and base64url of nonce + ciphertext, XChaCha20-Poly1305 (libsodium; the nonce is long enough to
be random for ever). Table, row and field are authenticated with it, so an envelope copied to another row does not
open there. The key is derived from the master key and a salt of the installation: two that share a master key share
no vault key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

import nacl.bindings
import nacl.exceptions
import nacl.hash
from nacl.encoding import RawEncoder

from omniroute.storage.faults import UnreadableSecretError

VERSION: Final = "v1:"
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES


class Vault:
    """Seals and opens the secret fields of one installation."""

    def __init__(self, master_key: bytes, *, salt: bytes, random_bytes: Callable[[int], bytes]) -> None:
        """``master_key``: KEY_BYTES, as ``master_key.load`` gives it. ``salt``: SALT_BYTES, kept in the database."""
        if len(master_key) != KEY_BYTES or len(salt) != SALT_BYTES:
            raise ValueError(f"a vault takes a key of {KEY_BYTES} bytes and a salt of {SALT_BYTES}")
        self._key = nacl.hash.blake2b(
            b"", digest_size=KEY_BYTES, key=master_key, salt=salt, person=b"omniroute vault", encoder=RawEncoder
        )
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return "Vault(***)"

    def seal(self, secret: str, *, table: str, row: str, field: str) -> str:
        """The envelope of ``secret``; the empty secret is the empty envelope."""
        if not secret:
            return ""
        nonce = self._random_bytes(NONCE_BYTES)
        sealed = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret.encode(), _place(table, row, field), nonce, self._key
        )
        return VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, envelope: str, *, table: str, row: str, field: str) -> str:
        """The secret in ``envelope``.

        Raises:
            UnreadableSecretError: wrong key, damaged or moved envelope, or a version we do not know.
        """
        if not envelope:
            return ""
        if not envelope.startswith(VERSION):
            raise UnreadableSecretError(f"{field} of {row} is not sealed in a form this version knows: enter it again")
        try:
            data = base64.b64decode(envelope[len(VERSION) :], altchars=b"-_", validate=True)
            secret = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                data[NONCE_BYTES:], _place(table, row, field), data[:NONCE_BYTES], self._key
            )
        # Which check failed depends on where the damage is: base64, the lengths, or the seal itself.
        except (binascii.Error, ValueError, TypeError, nacl.exceptions.CryptoError) as exc:
            raise UnreadableSecretError(
                f"{field} of {row} does not open with this master key: start with the key it was sealed with, "
                "or enter it again"
            ) from exc
        return secret.decode()


def _place(table: str, row: str, field: str) -> bytes:
    """Unambiguous: names of tables and fields are ours, and no id has a NUL."""
    return b"\0".join(part.encode() for part in (table, row, field))
