"""The egress guard: the standard library's own classification as oracle, and the forms it does not know."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.upstream import refused_kind

CASES = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("169.254.169.254", "cloud metadata"),
    ("168.63.129.16", "cloud metadata"),
    ("fd00:ec2::254", "cloud metadata"),
    ("169.254.0.1", "link-local"),
    ("192.0.0.192", "reserved"),
    ("198.18.0.1", "benchmarking"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:169.254.169.254", "cloud metadata"),
    ("::ffff:10.1.2.3", "private"),
    ("::7f00:1", "reserved"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b::a9fe:a9fe", "cloud metadata"),
    ("64:ff9b:1::1", "private NAT64"),
    ("2002:7f00:1::", "loopback"),
    ("2002:c0a8:101::1", "private"),
    ("2001:0:1:2::3", "reserved"),
    ("2001:db8::1", "documentation"),
    ("fc00::1", "unique local"),
    ("fdff::1", "unique local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("::1%lo", "loopback"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("100::1", "reserved"),
    ("5f00::1", "reserved"),
    ("localhost", "unreadable"),
    ("127.1", "unreadable"),
    ("", "unreadable"),
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize(("ip", "kind"), CASES)
def test_what_is_not_public_is_refused_by_its_kind(ip: str, kind: str) -> None:
    assert refused_kind(ip) == kind


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass_also_right_beside_a_refused_range(ip: str) -> None:
    assert refused_kind(ip) == ""


# what the standard library calls global although it must not be reached, or the other way round, by decision
_V4_DECIDED = [ipaddress.IPv4Network(n) for n in ("168.63.129.16/32", "224.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24")]
_V6_DECIDED = [
    ipaddress.IPv6Network(n) for n in ("::/16", "64:ff9b::/32", "2001::/23", "2002::/16", "3fff::/20", "ff00::/8")
]


@given(st.ip_addresses(v=4))
def test_ipv4_agrees_with_the_standard_library(address: ipaddress.IPv4Address) -> None:
    if not any(address in network for network in _V4_DECIDED):
        assert (refused_kind(str(address)) == "") == address.is_global


@given(st.ip_addresses(v=6))
def test_ipv6_lets_nothing_pass_that_the_standard_library_calls_private(address: ipaddress.IPv6Address) -> None:
    if not any(address in network for network in _V6_DECIDED) and refused_kind(str(address)) == "":
        assert address.is_global
        assert address in ipaddress.IPv6Network("2000::/3")


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}"]))
def test_an_address_inside_an_address_is_judged_as_itself(address: ipaddress.IPv4Address, form: str) -> None:
    assert refused_kind(form.format(address)) == refused_kind(str(address))


@given(st.ip_addresses(v=6, network="fc00::/7") | st.ip_addresses(v=6, network="fe80::/10"))
def test_no_local_ipv6_address_passes(address: ipaddress.IPv6Address) -> None:
    assert refused_kind(str(address)) != ""
