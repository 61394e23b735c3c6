"""What may be stored: each refusal names the field and what to write instead. Secrets are never quoted."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from typing import Final, NoReturn
from urllib.parse import SplitResult, urlsplit

import msgspec

from omniroute.domain import Quirks, RuntimeSettings, quirks_of
from omniroute.errors import ClientError
from omniroute.ports import HOP_BY_HOP
from omniroute.storage.forms import NewConnection, NewKey

SCOPES: Final = ("inference", "manage")

MAX_MODELS: Final = 2000
MAX_GLOBS: Final = 200
MAX_HEADERS: Final = 32
MAX_HEADER_CHARS: Final = 4096
MAX_CREDENTIAL_CHARS: Final = 8192
MAX_PEM_CHARS: Final = 65536
MAX_URL_CHARS: Final = 2048
MAX_TIMEOUT_S: Final = 86400.0
MAX_HEARTBEAT_S: Final = 3600.0
MAX_ATTEMPTS: Final = 16
MAX_COUNT: Final = 1_000_000_000
MAX_TOKENS: Final = 10_000_000

PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@+-]{0,62}[A-Za-z0-9._@+-])?")
"""Goes into a response header, and after ``provider/`` into the names of the command line."""
_MODEL: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # token, RFC 9110 section 5.6.2
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?|")  # field-value, without obs-text
_NUMBER_LIKE: Final = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)")

FORBIDDEN_HEADERS: Final = frozenset(name.decode() for name in HOP_BY_HOP) | {
    "expect", "host", "content-length", "content-type", "content-encoding", "accept-encoding", "authorization",
}  # fmt: skip
"""Of this hop, which is ours; and what we set from base_url, the body and the credential."""


def refuse(field: str, message: str) -> NoReturn:
    """Say no to ``field``."""
    raise ClientError(f"{field}: {message}", code="invalid_value", param=field)


def check_key(new: NewKey, now_epoch_s: float) -> None:
    """Raise ``ClientError`` unless ``new`` may be made."""
    if not new.name.strip() or len(new.name) > 100 or not new.name.isprintable():
        refuse("name", "must be 1 to 100 printable characters, such as the name of the program that will use the key")
    if not new.scopes or not set(new.scopes) <= set(SCOPES):
        refuse("scopes", f"must be one or more of {', '.join(SCOPES)}")
    _check_names("allowed_models", new.allowed_models, MAX_GLOBS, "globs over provider/model, such as openai/gpt-*")
    _check_names("allowed_connections", new.allowed_connections, MAX_GLOBS, "ids of connections")
    _check_count("requests_per_minute", new.requests_per_minute)
    _check_count("max_in_flight", new.max_in_flight)
    if new.expires_epoch_s != 0 and not now_epoch_s < new.expires_epoch_s < math.inf:
        refuse("expires_epoch_s", "must be a time in the future, in seconds since 1970, or 0 for never")


def check_connection(new: NewConnection) -> None:
    """Raise ``ClientError`` unless ``new`` may be added, as far as it can be told without looking at others."""
    if not PROVIDER.fullmatch(new.provider):
        refuse(
            "provider",
            "must be lower-case letters, digits and '-', such as openai: it prefixes the names of its models",
        )
    if not LABEL.fullmatch(new.label):
        refuse("label", "must be 1 to 64 letters, digits, spaces or ._@+-, starting with a letter or digit")
    if new.dialect not in (known := upstream_dialects()):
        refuse("dialect", f"must be one of {', '.join(known)}")
    _check_base_url(new.base_url, allow_private=new.allow_private)
    if new.credential and not (_VISIBLE.fullmatch(new.credential) and len(new.credential) <= MAX_CREDENTIAL_CHARS):
        refuse("credential", "must be visible ASCII without spaces: was something else copied along with the key?")
    _check_names("models", new.models, MAX_MODELS, "model ids as the provider spells them")
    _check_headers(new.headers)
    if new.proxy:
        _check_proxy(new.proxy)
    _check_tls(new)
    for name in new.timeouts.__struct_fields__:
        if not 0 <= getattr(new.timeouts, name) <= MAX_TIMEOUT_S:
            refuse(f"timeouts.{name}", f"must be 0 (off) to {MAX_TIMEOUT_S:.0f} seconds")
    _check_count("priority", new.priority)
    _check_count("max_in_flight", new.max_in_flight)
    _check_quirks(new)


def upstream_dialects() -> tuple[str, ...]:
    """What an upstream may speak."""
    from omniroute.translate import find_dialects  # noqa: PLC0415 - control pays for it after its first snapshot

    return tuple(name for name, dialect in find_dialects().items() if dialect.upstream is not None)


def check_settings(settings: RuntimeSettings) -> None:
    """Raise ``ClientError`` unless ``settings`` may be in force."""
    if not (settings.heartbeat_s == 0 or 1 <= settings.heartbeat_s <= MAX_HEARTBEAT_S):
        refuse("heartbeat_s", f"must be 0 (off) or 1 to {MAX_HEARTBEAT_S:.0f} seconds")
    if not 1 <= settings.max_attempts <= MAX_ATTEMPTS:
        refuse("max_attempts", f"must be 1 to {MAX_ATTEMPTS}")


def is_private(host: str) -> bool:
    """Whether ``host`` is a loopback, private or otherwise not public address, or a name that means this machine.

    Other names are not resolved here: what they lead to can change, and is checked when it is connected to.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return not (mapped or address).is_global


def _check_base_url(url: str, *, allow_private: bool) -> None:
    parts = _split("base_url", url, ("https", "http"), "https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        refuse("base_url", "must not hold a user or password: put the key into credential")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        refuse("base_url", "must end with its path: no '?' and no '#'")
    if is_private(parts.hostname or "") and not allow_private:
        refuse(
            "base_url",
            f"{parts.hostname} is a loopback or private address: set allow_private (--allow-private) if the upstream "
            "really is there",
        )


def _check_proxy(url: str) -> None:
    parts = _split("proxy", url, ("http", "socks5", "socks5h"), "socks5://user:password@host:1080")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        refuse("proxy", "must end with host and port")


def _split(field: str, url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """The parts of a URL that is well-formed and has a scheme of ``schemes`` and a host. It may hold a password."""
    wrong = f"must be a URL such as {example}"
    if not _VISIBLE.fullmatch(url) or len(url) > MAX_URL_CHARS:  # urlsplit would drop tabs and newlines unseen
        refuse(field, wrong)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        refuse(field, f"{wrong}; its host or port is malformed")
    if parts.scheme not in schemes:
        refuse(field, f"{wrong}; its scheme must be {' or '.join(schemes)}")
    if not parts.hostname or port == 0:
        refuse(field, f"{wrong}; its host is missing or its port is 0")
    _check_host(field, parts.hostname)
    return parts


def _check_host(field: str, host: str) -> None:
    """Refuse what only looks like a name: ``127.1`` and ``0x7f000001`` are addresses to the system's resolver."""
    if ":" in host:
        return  # an IPv6 address, which urlsplit has checked
    labels = host.removesuffix(".").split(".")
    if _NUMBER_LIKE.fullmatch(labels[-1]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            refuse(field, "its host is not an IPv4 address in the usual form, such as 192.0.2.10")
    elif not all(re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", label) for label in labels):
        refuse(field, "its host is not a domain name (international names are written in their xn-- form)")


def _check_headers(headers: dict[str, str]) -> None:
    if len(headers) > MAX_HEADERS:
        refuse("headers", f"must be at most {MAX_HEADERS}")
    if len({name.lower() for name in headers}) != len(headers):
        refuse("headers", "names must differ in more than their case")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            refuse("headers", f"{name[:50]!r} is not a header name")
        if name.lower() in FORBIDDEN_HEADERS:
            hint = "put the key into credential" if name.lower() == "authorization" else "leave it out"
            refuse("headers", f"{name} is set by the gateway: {hint}")
        if not _HEADER_VALUE.fullmatch(value) or len(value) > MAX_HEADER_CHARS:
            refuse("headers", f"the value of {name} must be at most {MAX_HEADER_CHARS} printable ASCII characters")


def _check_tls(new: NewConnection) -> None:
    for field, text in (("ca_pem", new.ca_pem), ("client_cert_pem", new.client_cert_pem)):
        if text and ("-----BEGIN CERTIFICATE-----" not in text or len(text) > MAX_PEM_CHARS):
            refuse(field, "must be the text of a PEM file with a certificate")
    if new.client_key_pem and ("PRIVATE KEY-----" not in new.client_key_pem or len(new.client_key_pem) > MAX_PEM_CHARS):
        refuse("client_key_pem", "must be the text of a PEM file with a private key")
    if bool(new.client_cert_pem) != bool(new.client_key_pem):
        refuse("client_key_pem", "a client certificate and its private key go together: give both or none")
    if new.server_name:
        _check_host("server_name", new.server_name)


def _check_quirks(new: NewConnection) -> None:
    known = Quirks.__struct_fields__
    for name in new.quirks:
        if name not in known:
            refuse(f"quirks.{name}", f"there is no such quirk; there are {', '.join(known)}")
    try:
        quirks = quirks_of(new.provider, new.quirks)
    except msgspec.ValidationError as exc:
        refuse("quirks", str(exc))
    if not 1 <= quirks.default_max_tokens <= MAX_TOKENS:
        refuse("quirks.default_max_tokens", f"must be 1 to {MAX_TOKENS}")
    if not all(1 <= budget <= MAX_TOKENS for budget in quirks.effort_budgets):
        refuse("quirks.effort_budgets", f"must be three numbers from 1 to {MAX_TOKENS}")


def _check_names(field: str, names: Iterable[str], most: int, what: str) -> None:
    found = list(names)
    if len(found) > most:
        refuse(field, f"must be at most {most}")
    if len(set(found)) != len(found) or not all(_MODEL.fullmatch(name) for name in found):
        refuse(field, f"must be {what}, none twice, none empty or with spaces")


def _check_count(field: str, value: int) -> None:
    if not 0 <= value <= MAX_COUNT:
        refuse(field, f"must be 0 to {MAX_COUNT}")
