from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.storage.faults import UnreadableSecretError
from omniroute.storage.vault import KEY_BYTES, NONCE_BYTES, SALT_BYTES, VERSION, Vault

KEY = bytes(range(KEY_BYTES))
SALT = bytes(range(SALT_BYTES))
PLACE = {"table": "connections", "row": "con_1", "field": "credential"}


def vault(key: bytes = KEY, salt: bytes = SALT) -> Vault:
    return Vault(key, salt=salt, random_bytes=os.urandom)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_is_sealed_opens(secret: str) -> None:
    assert vault().open(vault().seal(secret, **PLACE), **PLACE) == secret


def test_the_empty_secret_is_the_empty_envelope() -> None:
    assert vault().seal("", **PLACE) == ""
    assert vault().open("", **PLACE) == ""


def test_an_envelope_says_its_version_and_nothing_of_the_secret() -> None:
    envelope = vault().seal("sk-secret", **PLACE)
    assert envelope.startswith("v1:")
    assert b"sk-secret" not in base64.urlsafe_b64decode(envelope[3:])
    assert vault().seal("sk-secret", **PLACE) != envelope  # a nonce of its own each time


def test_the_format_is_fixed() -> None:
    """Databases in the field hold envelopes: whoever changes this needs a version, and a way to read the old one."""
    fixed = Vault(KEY, salt=SALT, random_bytes=lambda count: b"n" * count)
    envelope = fixed.seal("sk-secret", **PLACE)
    assert envelope == "v1:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5uhaUR_B4hwvSC5A4sxzzHmuoxwiVwyfyU2Q=="
    assert vault().open(envelope, **PLACE) == "sk-secret"


@pytest.mark.parametrize(
    "place", [{**PLACE, "table": "settings"}, {**PLACE, "row": "con_2"}, {**PLACE, "field": "proxy"}]
)
def test_an_envelope_opens_only_where_it_was_sealed(place: dict[str, str]) -> None:
    with pytest.raises(UnreadableSecretError):
        vault().open(vault().seal("sk-secret", **PLACE), **place)


@pytest.mark.parametrize("other", [vault(key=bytes(KEY_BYTES)), vault(salt=bytes(SALT_BYTES))])
def test_another_key_or_salt_opens_nothing_and_says_so(other: Vault) -> None:
    envelope = vault().seal("sk-secret", **PLACE)
    with pytest.raises(UnreadableSecretError) as caught:
        other.open(envelope, **PLACE)
    assert "credential of con_1" in caught.value.message
    assert envelope not in caught.value.message


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(base64.urlsafe_b64decode(vault().seal("sk-secret", **PLACE)[3:]))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableSecretError):
        vault().open(VERSION + base64.urlsafe_b64encode(sealed).decode(), **PLACE)


@pytest.mark.parametrize("length", [0, 1, NONCE_BYTES, NONCE_BYTES + 15])
def test_a_cut_envelope_is_noticed(length: int) -> None:
    with pytest.raises(UnreadableSecretError):
        vault().open(VERSION + base64.urlsafe_b64encode(bytes(length)).decode(), **PLACE)


@pytest.mark.parametrize("envelope", ["sk-plain-text", "v2:AAAA", "v1:!!!!", "v1:AAA", "v1:äöü"])
def test_plain_text_is_never_passed_through(envelope: str) -> None:
    with pytest.raises(UnreadableSecretError) as caught:
        vault().open(envelope, **PLACE)
    assert envelope not in caught.value.message


def test_a_vault_shows_no_key() -> None:
    assert repr(vault()) == "Vault(***)"
    with pytest.raises(ValueError, match="32"):
        vault(key=b"short")
