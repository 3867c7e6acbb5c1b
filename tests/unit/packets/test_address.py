"""Addresses as they are written and as a switch can match them."""

import re
import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.packets.address import Address, is_host
from tests.support.packets import attachment
from tests.support.strategies import FAMILIES, addresses


@given(FAMILIES.flatmap(addresses))
def test_an_address_is_read_as_it_is_written(address: Address) -> None:
    assert Address.parse(str(address)) == address


@given(st.text() | st.text("0123456789abcdef.:[]"))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "10.0.0.1",
            "10.0.0.1:",
            ":4000",
            "10.0.0.1:65536",
            "10.0.0.1:-1",
            "10.0.0.1:4000 ",
            "10.0.0.1:४",
        ),
        *("10.0.0.256:4000", "::1:4000", "[10.0.0.1]:4000", "[::1]", "host:4000"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Address.parse(text)


@pytest.mark.parametrize("text", ["10.0.0.1:4000", "[2001:db8::1]:4000", "[fe80::1]:4000"])
def test_an_address_of_one_host_can_be_matched(text: str) -> None:
    assert Address.parse(text).is_concrete


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:4000",
        "[::]:4000",
        "127.0.0.1:4000",
        "[::1]:4000",
        "10.0.0.1:0",
        "239.1.1.1:4000",
        "[ff02::1]:4000",
        "[fe80::1%eth0]:4000",
    ],
)
def test_an_address_of_no_one_host_cannot_be_matched(text: str) -> None:
    assert not Address.parse(text).is_concrete


def test_each_leg_has_the_other_and_its_side_of_the_path() -> None:
    near = attachment(1, 0x0A, remote="10.0.0.1:4000", local="10.0.0.1:4000")
    far = attachment(2, 0x0B, remote="10.0.0.1:4000", local="10.0.0.1:4000")
    path = MediaPath(caller=near, callee=far)
    assert (path.attachment(Leg.CALLER), path.attachment(Leg.CALLER.other)) == (near, far)
    assert Leg.CALLEE.other is Leg.CALLER


@pytest.mark.parametrize(
    "text",
    [
        *("homer", "homer.example.net", "homer.example.net.", "pbx_1", "2001.example", "münchen.example"),
        *("h" * 63, ".".join(["h" * 49] * 5), "192.0.2.1", "2001:db8::1", "::", "fe80::1%eth0"),
    ],
)
def test_a_name_or_an_address_is_a_host(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "homer..example.net", ".homer.net", "homer.net..", "homer\N{IDEOGRAPHIC FULL STOP}.net"),
        *("h" * 64, "ü" * 60, ".".join(["h" * 50] * 5), "\udcff", "\N{SOFT HYPHEN}.net"),
        *("ho mer", "homer\n", "homer\0", "a/b", "a@b", "homer:9060", "[::1]", "2001:db8::1::", "*"),
    ],
)
def test_what_can_be_neither_is_no_host(text: str) -> None:
    assert not is_host(text)


@given(st.text("ab1-_.:%ü\N{IDEOGRAPHIC FULL STOP}\N{SOFT HYPHEN}") | st.text())
def test_a_host_is_looked_up_or_not_found(text: str) -> None:
    """Numeric alone, so that no name server is asked."""
    if is_host(text):
        with suppress(socket.gaierror):
            socket.getaddrinfo(text, 1, flags=socket.AI_NUMERICHOST)
