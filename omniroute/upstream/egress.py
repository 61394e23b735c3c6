"""The egress guard: which addresses an upstream may have. Judged on the very address that is connected to.

A base URL is data that an administrator, an import or a model list supplies; without the guard any of them could point
the gateway, which holds credentials and sits inside, at a metadata service or a neighbour. IPv6 is judged the other way
round from IPv4: only global unicast (2000::/3) is public, minus what is carved out of it.

Source: IANA special-purpose address registries (IPv4, IPv6), RFC 6890, RFC 6598, RFC 6052, RFC 8215; read 2026-01.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_V4: Final = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", "cloud metadata"),
        ("168.63.129.16/32", "cloud metadata"),  # Azure's host agent: a public number that is always local
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_V6: Final = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fd00:ec2::254/128", "cloud metadata"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("64:ff9b:1::/48", "private NAT64"),
        ("2001::/23", "reserved"),  # IETF protocol assignments, Teredo among them
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    )
)
_V6_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")

# Forms that carry an IPv4 address: they lead where that address leads. (prefix, bits below the address)
_V6_CARRIERS: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64: how an IPv6-only network reaches every IPv4-only provider
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)


def refused_kind(ip: str) -> str:
    """What kind of non-public address ``ip`` is (``loopback``, ``private``, ...); "" if it is public.

    Text that is no address is refused too (``unreadable``).
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unreadable"
    return _kind_v4(address) if isinstance(address, ipaddress.IPv4Address) else _kind_v6(address)


def _kind_v4(address: ipaddress.IPv4Address) -> str:
    return next((kind for network, kind in _V4 if address in network), "")


def _kind_v6(address: ipaddress.IPv6Address) -> str:
    # a scope ("fe80::1%eth0") makes an address unequal to itself without one; ranges know no scopes
    address = ipaddress.IPv6Address(int(address))
    for prefix, below in _V6_CARRIERS:
        if address in prefix:
            return _kind_v4(ipaddress.IPv4Address((int(address) >> below) & 0xFFFFFFFF))
    found = next((kind for network, kind in _V6 if address in network), "")
    return found or ("" if address in _V6_PUBLIC else "reserved")
