"""Nothing is sent to a place that the operator did not open, however it is spelled."""

import ipaddress
import socket
import time

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifications import guard
from tests.receivers import Receiver

LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "１２７.０.０.１",
    "127.0.0.1.",
    "localhost",
]
REFUSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:100.64.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::100.64.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]


@pytest.mark.parametrize("spelling", [*REFUSED, *LOOPBACK])
def test_places_inside_are_refused_in_every_spelling(spelling: str) -> None:
    host = f"[{spelling}]" if ":" in spelling else spelling

    with pytest.raises((guard.RefusedError, OSError)) as refused:
        guard.connect(guard.target_of(f"http://{host}:9/"), time.monotonic() + 2)

    if isinstance(refused.value, guard.RefusedError):
        assert "PIERWATCH_PRIVATE_TARGETS" in str(refused.value)
    else:
        assert isinstance(refused.value, guard.LookupFailedError)  # the resolver knows no such name: nothing is sent


@pytest.mark.parametrize("address", REFUSED)
def test_every_range_is_known(address: str) -> None:
    assert guard.refusal(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert guard.refusal(ipaddress.ip_address(address)) == ""


@pytest.mark.parametrize("spelling", LOOPBACK[:6])
def test_a_spelling_that_the_resolver_takes_leads_to_loopback_and_is_refused(spelling: str) -> None:
    with pytest.raises(guard.RefusedError, match=r"127\.0\.0\.1, this machine itself"):
        guard.checked_addresses(guard.target_of(f"http://{spelling}/").host, 80)


def test_an_allowed_network_is_open_and_no_other(settings) -> None:
    settings.PRIVATE_TARGETS = "127.0.0.0/8, fd00::/8"

    assert guard.refusal(ipaddress.ip_address("127.0.0.9")) == ""
    assert guard.refusal(ipaddress.ip_address("fd00::1")) == ""
    assert guard.refusal(ipaddress.ip_address("::ffff:127.0.0.1")) == ""
    assert guard.refusal(ipaddress.ip_address("10.0.0.1")) == "a private address"


def test_allow_opens_everything_and_a_receiver_inside_is_reached(settings) -> None:
    settings.PRIVATE_TARGETS = "allow"

    with Receiver() as receiver, guard.connect(guard.target_of(receiver.url), time.monotonic() + 5) as connected:
        assert connected.getpeername() == ("127.0.0.1", receiver.port)


@pytest.mark.parametrize("setting", ["maybe", "10.0.0.0/33", "10.0.0.1,", "allow,deny"])
def test_a_wrong_setting_stops_the_start_and_names_itself(setting: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PIERWATCH_PRIVATE_TARGETS"):
        guard.allowed_networks(setting)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org\\@127.0.0.1/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "http://example.org:99999/",
        "http://[::1/",
        "http://a..b/",
        "http://" + "x" * 70 + ".org/",
    ],
)
def test_what_is_no_plain_web_address_is_refused_in_words(address: str) -> None:
    with pytest.raises(guard.RefusedError, match=r"[Aa]ddress"):
        guard.target_of(address)


def test_an_address_keeps_its_name_port_path_and_query() -> None:
    target = guard.target_of("https://hooks.example.org:8443/a/ü?x=1&y=é#part")

    assert (target.scheme, target.host, target.port) == ("https", "hooks.example.org", 8443)
    assert target.path == "/a/%C3%BC?x=1&y=%C3%A9"
    assert target.place == "hooks.example.org:8443"
    assert guard.target_of("https://münchen.example/").host == "xn--mnchen-3ya.example"
    assert guard.target_of("http://[2606:4700::1]/").place == "[2606:4700::1]"


def test_a_name_that_leads_nowhere_is_a_doubt_and_not_a_refusal() -> None:
    assert guard.doubt("https://nowhere.invalid/hook") == "Name lookup failed for nowhere.invalid."


def test_the_address_that_was_checked_is_the_one_connected_to(settings) -> None:
    """A name whose answer changes between check and connection gains nothing: it is looked up once."""
    settings.PRIVATE_TARGETS = "127.0.0.1"
    with Receiver() as receiver:
        asked = []
        original = socket.getaddrinfo

        def rebinding(host: str, *arguments: object, **options: object) -> object:
            asked.append(host)
            return original("127.0.0.1" if len(asked) == 1 or host == "127.0.0.1" else "127.0.0.2", *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", rebinding)  # the outside world, not our code
            target = guard.target_of(f"http://rebind.example:{receiver.port}/")
            with guard.connect(target, time.monotonic() + 5) as connected:
                assert connected.getpeername()[0] == "127.0.0.1"

    assert asked.count("rebind.example") == 1
