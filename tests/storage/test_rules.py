from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import RuntimeSettings, Timeouts
from omniroute.errors import ClientError
from omniroute.storage import rules
from omniroute.storage.forms import NewConnection, NewKey

NOW = 1000.0
KEY = NewKey(name="ci")
CONNECTION = NewConnection("openai", "main", "https://api.example.com/v1", credential="sk-abc")
CERT = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "Büro, 2. Stock"},
        {"scopes": ("inference", "manage")},
        {"allowed_models": ("openai/*", "demo/echo")},
        {"requests_per_minute": 1, "max_in_flight": 1, "expires_epoch_s": NOW + 1},
    ],
)
def test_good_keys(fields: dict[str, object]) -> None:
    rules.check_key(msgspec.structs.replace(KEY, **fields), NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "n" * 101),
        ("name", "line\nbreak"),
        ("scopes", ()),
        ("scopes", ("inference", "admin")),
        ("allowed_models", ("",)),
        ("allowed_models", ("a", "a")),
        ("allowed_models", tuple(str(index) for index in range(201))),
        ("allowed_connections", ("a b",)),
        ("requests_per_minute", -1),
        ("max_in_flight", 10**10),
        ("expires_epoch_s", NOW),
        ("expires_epoch_s", -1.0),
        ("expires_epoch_s", float("inf")),
        ("expires_epoch_s", float("nan")),
    ],
)
def test_bad_keys_are_refused_by_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ClientError) as caught:
        rules.check_key(msgspec.structs.replace(KEY, **{field: value}), NOW)
    assert caught.value.param == field
    assert caught.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"credential": ""},
        {"label": "a"},
        {"label": "me@example.com (x)".replace(" (x)", "")},
        {"base_url": "http://llm.lan:8080"},
        {"base_url": "https://[2001:4860:4860::8888]:8443/v1/"},
        {"base_url": "https://xn--bcher-kva.example/v1"},
        {"base_url": "http://127.0.0.1:1234", "allow_private": True},
        {"base_url": "http://localhost:1234", "allow_private": True},
        {"models": ("gpt-4o", "meta/llama:70b")},
        {"headers": {"X-Org": "o 1", "x-empty": ""}},
        {"proxy": "socks5://user:pass@127.0.0.1:1080"},
        {"proxy": "http://proxy.example:3128/"},
        {"ca_pem": CERT, "server_name": "inner.example"},
        {"client_cert_pem": CERT, "client_key_pem": PRIVATE},
        {"timeouts": Timeouts(connect_s=0.0, total_s=86400.0)},
        {"priority": 0, "max_in_flight": 0},
        {"quirks": {"think_tags": True, "effort_budgets": [1, 2, 3]}},
    ],
)
def test_good_connections(fields: dict[str, object]) -> None:
    rules.check_connection(msgspec.structs.replace(CONNECTION, **fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider", ""),
        ("provider", "OpenAI"),
        ("provider", "-x"),
        ("provider", "a/b"),
        ("provider", "a" * 65),
        ("label", ""),
        ("label", "a/b"),
        ("label", " a"),
        ("label", "a "),
        ("label", "a\r\nx: y"),
        ("label", "ä"),
        ("label", "a" * 65),
        ("dialect", "openai_completions"),  # has clients only
        ("dialect", "klingon"),
        ("base_url", ""),
        ("base_url", "api.example.com/v1"),
        ("base_url", "ftp://api.example.com"),
        ("base_url", "https://"),
        ("base_url", "https:///v1"),
        ("base_url", "https://api.example.com:0"),
        ("base_url", "https://api.example.com:99999"),
        ("base_url", "https://user:secret-word@api.example.com"),
        ("base_url", "https://api.example.com/v1?key=secret-word"),
        ("base_url", "https://api.example.com/v1?"),
        ("base_url", "https://api.example.com/v1#x"),
        ("base_url", "https://api.exa\tmple.com"),
        ("base_url", "https://bücher.example"),
        ("base_url", "https://api..example.com"),
        ("base_url", "https://[::1"),
        ("base_url", "http://2130706433/"),
        ("base_url", "http://127.1/"),
        ("base_url", "http://0x7f.0.0.0x1/"),
        ("base_url", "https://a.example/" + "x" * 2048),
        ("credential", "two words secret-word"),
        ("credential", "secret-word\n"),
        ("credential", "x" * 8193),
        ("models", ("",)),
        ("models", ("a", "a")),
        ("models", ("a\nb",)),
        ("headers", {"bad name": "secret-word"}),
        ("headers", {"x-a": "secret-word\r\ny: z"}),
        ("headers", {"x-a": "x" * 4097}),
        ("headers", {"X-A": "1", "x-a": "2"}),
        ("headers", {f"x-{index}": "" for index in range(33)}),
        ("proxy", "https://proxy.example"),
        ("proxy", "socks5://user:secret-word@"),
        ("proxy", "http://user:secret-word@proxy.example/path"),
        ("ca_pem", "not a certificate"),
        ("client_key_pem", "secret-word"),
        ("client_key_pem", PRIVATE),
        ("client_cert_pem", "x"),
        ("server_name", "a b"),
        ("priority", -1),
        ("max_in_flight", -1),
    ],
)
def test_bad_connections_are_refused_by_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ClientError) as caught:
        rules.check_connection(msgspec.structs.replace(CONNECTION, **{field: value}))
    assert caught.value.param == field
    assert caught.value.message.startswith(f"{field}: ")
    assert "secret-word" not in caught.value.message


@pytest.mark.parametrize(
    ("quirks", "param"),
    [
        ({"thnk_tags": True}, "quirks.thnk_tags"),
        ({"think_tags": "yes"}, "quirks"),
        ({"gemini_schema": "xml"}, "quirks"),
        ({"default_max_tokens": 0}, "quirks.default_max_tokens"),
        ({"effort_budgets": [1, 2, -3]}, "quirks.effort_budgets"),
        ({"effort_budgets": [1, 2]}, "quirks"),
    ],
)
def test_bad_quirks_are_refused_by_name(quirks: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        rules.check_connection(msgspec.structs.replace(CONNECTION, quirks=quirks))
    assert caught.value.param == param


def test_every_dialect_with_an_upstream_may_be_spoken_by_a_connection() -> None:
    assert "openai_chat" in rules.upstream_dialects()
    for dialect in rules.upstream_dialects():
        rules.check_connection(msgspec.structs.replace(CONNECTION, dialect=dialect))


@pytest.mark.parametrize("name", sorted(rules.FORBIDDEN_HEADERS))
def test_headers_that_are_ours_are_refused(name: str) -> None:
    with pytest.raises(ClientError, match=f"(?i)headers: {name} is set by the gateway"):
        rules.check_connection(msgspec.structs.replace(CONNECTION, headers={name.title(): "secret-word"}))


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ClientError, match="give both or none"):
        rules.check_connection(msgspec.structs.replace(CONNECTION, client_cert_pem=CERT))


@pytest.mark.parametrize("name", Timeouts.__struct_fields__)
@pytest.mark.parametrize("value", [-1.0, 86401.0, float("nan")])
def test_timeouts_have_bounds(name: str, value: float) -> None:
    timeouts = msgspec.structs.replace(Timeouts(), **{name: value})
    with pytest.raises(ClientError) as caught:
        rules.check_connection(msgspec.structs.replace(CONNECTION, timeouts=timeouts))
    assert caught.value.param == f"timeouts.{name}"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "[::1]",
        "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::]", "localhost", "LOCALHOST", "a.localhost", "localhost.",
    ],
)  # fmt: skip
def test_a_private_address_needs_the_flag_and_the_refusal_names_it(host: str) -> None:
    new = msgspec.structs.replace(CONNECTION, base_url=f"http://{host}:8000/v1")
    with pytest.raises(ClientError, match="allow_private") as caught:
        rules.check_connection(new)
    assert "--allow-private" in caught.value.message
    rules.check_connection(msgspec.structs.replace(new, allow_private=True))


@pytest.mark.parametrize("host", ["8.8.8.8", "api.example.com", "localhost.example.com", "2001:4860:4860::8888"])
def test_what_is_not_private(host: str) -> None:
    assert not rules.is_private(host)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("heartbeat_s", -1.0),
        ("heartbeat_s", 0.5),
        ("heartbeat_s", 3601.0),
        ("heartbeat_s", float("nan")),
        ("max_attempts", 0),
        ("max_attempts", 17),
    ],
)
def test_settings_have_bounds(field: str, value: float) -> None:
    with pytest.raises(ClientError) as caught:
        rules.check_settings(msgspec.structs.replace(RuntimeSettings(), **{field: value}))
    assert caught.value.param == field


def test_the_defaults_are_good() -> None:
    rules.check_settings(RuntimeSettings())


def test_a_form_shows_no_secret() -> None:
    shown = repr(msgspec.structs.replace(CONNECTION, proxy="http://u:secret-word@p", headers={"x": "secret-word"}))
    assert "sk-abc" not in shown
    assert "secret-word" not in shown
