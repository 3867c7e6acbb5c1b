"""The names of switches, as an operator writes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tcp, Unix, parse_endpoint

PORTS = st.integers(1, 0xFFFF)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]{1,9}\.){0,2}[a-z]", fullmatch=True) | st.ip_addresses().map(str)
ENDPOINTS = (
    st.builds(
        Unix,
        path=st.text(st.characters(exclude_characters="\0", max_codepoint=127), min_size=1, max_size=107),
    )
    | st.builds(Tcp, host=HOSTS, port=PORTS)
    | st.builds(Ptcp, host=HOSTS, port=PORTS)
    | st.builds(Ssl, host=HOSTS, port=PORTS)
    | st.builds(Pssl, host=HOSTS, port=PORTS)
)


@given(ENDPOINTS)
def test_an_endpoint_is_read_as_it_is_written(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint


@given(
    st.text() | st.builds("{}:{}".format, st.sampled_from(("unix", "tcp", "ptcp", "ssl", "pssl")), st.text())
)
def test_any_text_is_an_endpoint_or_a_value_error_that_quotes_it(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017 - whichever it is
    else:
        assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:/run/openvswitch/breth0.mgmt", Unix("/run/openvswitch/breth0.mgmt")),
        ("tcp:198.18.0.1:6653", Tcp(host="198.18.0.1", port=6653)),
        ("tcp:[2001:db8::1]:6653", Tcp(host="2001:db8::1", port=6653)),
        ("tcp:tor-1.example.org:6653", Tcp(host="tor-1.example.org", port=6653)),
        ("ptcp:6653", Ptcp(port=6653, host="127.0.0.1")),
        ("ptcp:6653:0.0.0.0", Ptcp(port=6653, host="0.0.0.0")),
        ("ptcp:6653:[::]", Ptcp(port=6653, host="::")),
        ("ssl:198.18.0.1:6653", Ssl(host="198.18.0.1", port=6653)),
        ("pssl:6653", Pssl(port=6653, host="127.0.0.1")),
    ],
)
def test_the_forms_of_ovs_are_understood(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not the address of a switch"),
        ("/run/openvswitch/breth0.mgmt", "not the address of a switch"),
        ("unix", "not the address of a switch"),
        ("TCP:10.0.0.1:6653", "not the address of a switch"),
        ("ssl:10.0.0.1", "no port between 1 and 65535"),
        ("pssl:", "no port between 1 and 65535"),
        ("unix:", "no path"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
        ("tcp:10.0.0.1", "no port between 1 and 65535"),
        ("tcp:10.0.0.1:", "no port between 1 and 65535"),
        ("tcp:10.0.0.1:0", "no port between 1 and 65535"),
        ("tcp:10.0.0.1:65536", "no port between 1 and 65535"),
        ("tcp:10.0.0.1:openflow", "no port between 1 and 65535"),
        ("tcp:6653", "no host name or address"),
        ("tcp:pbx..example.net:6653", "no host name or address"),
        (f"ssl:{'p' * 64}:6653", "no host name or address"),
        ("tcp:::1:6653", "goes in brackets"),
        ("tcp:[10.0.0.1]:6653", "no IPv6 address between the brackets"),
        ("ptcp:", "no port between 1 and 65535"),
        ("ptcp:6653:", "no host name or address"),
    ],
)
def test_what_is_wrong_is_quoted_and_explained(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)(?=.*{re.escape(why)})(?=.*{re.escape(repr(text))})"):
        parse_endpoint(text)
