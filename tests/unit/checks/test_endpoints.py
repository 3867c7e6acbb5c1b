"""Endpoints whose calls can never be offloaded are named, with what in their configuration is against it."""

import pytest

from stasis_offload.checks.endpoints import judge_endpoints, why_never

# As Asterisk 22 shows an endpoint.
FINE = {
    "direct_media": "false",
    "rtp_keepalive": "0",
    "rtp_timeout": "0",
    "media_encryption": "no",
    "transport": "udp",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("direct_media", "true"),
        ("direct_media", "yes"),
        ("rtp_keepalive", "15"),
        ("rtp_timeout", "9"),
        ("media_encryption", "sdes"),
        ("media_encryption", "dtls"),
    ],
)
def test_a_setting_that_keeps_every_call_with_asterisk_is_known(key: str, value: str) -> None:
    assert why_never({**FINE, key: value}) == (key,)


@pytest.mark.parametrize("value", ["0", "10", "3600"])
def test_a_timeout_that_is_long_enough_is_none(value: str) -> None:
    assert why_never({**FINE, "rtp_timeout": value}) == ()


def test_when_none_is_against_it_their_number_is_said() -> None:
    item = judge_endpoints({"alice": FINE, "bob": FINE})
    assert (item.mark, item.text) == ("ok", "2 looked at: none is configured against it")


def test_some_are_a_hint_with_what_to_write_and_the_command_that_reads_it() -> None:
    item = judge_endpoints(
        {"alice": FINE, "bob": {**FINE, "direct_media": "true"}, "carol": {**FINE, "rtp_keepalive": "15"}}
    )
    assert item.mark == "hint"
    assert item.text == (
        "calls of 2 of 3 are never offloaded: bob (direct_media = true), carol (rtp_keepalive = 15); in pjsip.conf it takes"
        " direct_media = no, rtp_keepalive = 0"
    )
    assert item.command == "asterisk -rx 'module reload res_pjsip.so'"


def test_of_many_ten_are_named_and_the_rest_counted() -> None:
    many = {f"phone-{n:02}": {**FINE, "direct_media": "true"} for n in range(13)}
    item = judge_endpoints({**many, "trunk": FINE}, left_out=7)
    assert item.text.startswith("calls of 13 of 14 of 21 are never offloaded: phone-00 (")
    assert "phone-09 (direct_media = true) and 3 more; " in item.text
    assert "phone-10" not in item.text


def test_when_no_endpoint_is_left_for_a_call_the_check_fails() -> None:
    assert not judge_endpoints({"bob": {**FINE, "media_encryption": "sdes"}}).ok
