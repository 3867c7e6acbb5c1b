"""The module's answers: read exactly, or refused with the line and the key."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.asterisk.leg_report import Glue, LegReport, RtcpMode
from stasis_offload.asterisk.rtpstreams import parse_reports
from stasis_offload.errors import ModuleError
from stasis_offload.packets.address import Address

LINE: dict[str, Any] = {
    "channel": "PJSIP/asterisk1-00000001",
    "channel_id": "1700000000.1",
    "protocol_id": "a1b2@198.18.50.2",
    "state": "Up",
    "peer_id": None,
    "bridge_id": "offload-1700000000.1",
    "bridge_technology": "native_rtp",
    "bridge_channels": 2,
    "glue": "local",
    "video_glue": "none",
    "local": "198.18.50.3:10000",
    "remote": "[2001:db8::2]:20000",
    "sdp": None,
    "format_tx": "ulaw",
    "format_rx": "alaw",
    "formats": ["ulaw", "alaw"],
    "audio_pt_tx": 0,
    "audio_pt_rx": 8,
    "event_pts_tx": {"8000": 101, "48000": 110},
    "event_pts_rx": {},
    "framing_ms": 20,
    "rtcp": "separate",
    "srtp": False,
    "dtls": False,
    "ice": True,
    "symmetric": True,
    "hold": False,
    "audio_hook": False,
    "dtmf_hooks": True,
    "generator": True,
    "t38": True,
    "local_bridge": True,
    "ssrc_tx": 4294967295,
    "ssrc_rx": None,
    "packets_tx": 5,
    "packets_rx": 6,
    "idle_s": 0,
    "rtp_timeout_s": 30,
    "rtp_keepalive_s": 15,
}


def text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_line_becomes_a_report() -> None:
    [report] = parse_reports(text(LINE))
    assert report.channel == "PJSIP/asterisk1-00000001"
    assert report.peer_id is None
    assert (report.glue, report.video_glue, report.rtcp) == (Glue.LOCAL, Glue.NONE, RtcpMode.SEPARATE)
    assert report.local == Address.parse("198.18.50.3:10000")
    assert report.remote == Address.parse("[2001:db8::2]:20000")
    assert report.sdp is None
    assert report.formats == ("ulaw", "alaw")
    assert (report.audio_pt_tx, report.audio_pt_rx) == (0, 8)
    assert (report.event_pts_tx, report.event_pts_rx) == ({8000: 101, 48000: 110}, {})
    assert (report.ptime, report.idle, report.packets_tx, report.packets_rx) == (20, 0, 5, 6)
    assert (report.rtp_timeout, report.rtp_keepalive) == (30, 15)
    assert (report.ssrc_tx, report.ssrc_rx) == (0xFFFFFFFF, None)
    assert (report.symmetric, report.hold, report.local_bridge) == (True, False, True)
    assert report.generator
    assert report.dtmf_hooks
    assert (report.srtp, report.dtls, report.ice, report.audio_hook, report.t38) == (
        False,
        False,
        True,
        False,
        True,
    )


def test_every_key_of_a_line_reaches_its_own_field() -> None:
    names = {
        "framing_ms": "ptime",
        "idle_s": "idle",
        "rtp_timeout_s": "rtp_timeout",
        "rtp_keepalive_s": "rtp_keepalive",
    }
    assert {names.get(key, key) for key in LINE} == {field.name for field in fields(LegReport)}


def test_an_unknown_bridge_gives_no_report() -> None:
    assert parse_reports("") == ()


def test_lines_come_in_their_order_and_unknown_keys_are_for_later_versions() -> None:
    reports = parse_reports(text(LINE, LINE | {"channel": "b", "mos": 4.4}))
    assert [report.channel for report in reports] == [LINE["channel"], "b"]


def test_a_call_id_is_no_reason_to_refuse_a_line() -> None:
    older = {name: value for name, value in LINE.items() if name != "protocol_id"}
    reports = parse_reports(
        text(LINE, older, older | {"protocol_id": None}, older | {"protocol_id": "a\u200bb"})
    )
    assert [report.protocol_id for report in reports] == ["a1b2@198.18.50.2", None, None, None]


@pytest.mark.parametrize("key", sorted(LINE.keys() - {"protocol_id"}))
def test_a_missing_key_is_named(key: str) -> None:
    line = {name: value for name, value in LINE.items() if name != key}
    with pytest.raises(ModuleError, match=rf"line 2 has no '{key}'"):
        parse_reports(text(LINE, line))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channel", 1),
        ("channel", None),
        ("channel", "a\nb"),
        ("channel", "\ud800"),
        ("bridge_channels", "2"),
        ("bridge_channels", True),
        ("bridge_channels", -1),
        ("packets_tx", 1.0),
        ("packets_rx", 2**64),
        ("ssrc_rx", 2**32),
        ("audio_pt_tx", 128),
        ("event_pts_tx", None),
        ("event_pts_tx", [101]),
        ("event_pts_rx", {"fast": 101}),
        ("event_pts_rx", {"9" * 5000: 101}),
        ("event_pts_rx", {"8000": 128}),
        ("event_pts_rx", {"8000": True}),
        ("glue", "remotely"),
        ("glue", None),
        ("rtcp", ["off"]),
        ("srtp", 0),
        ("hold", None),
        ("local", "198.18.50.3"),
        ("remote", "198.18.50.3:99999"),
        ("formats", "ulaw"),
        ("formats", [1]),
        ("idle_s", "never"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(ModuleError, match=rf"'{key}' in line 1 is not "):
        parse_reports(text(LINE | {key: value}))


def test_an_answer_that_was_cut_off_is_refused() -> None:
    whole = text(LINE, LINE)
    with pytest.raises(ModuleError, match="cut off in line 2"):
        parse_reports(whole[:-1])


@pytest.mark.parametrize("line", ["", "[]", "null", "1", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_line_that_is_no_object_is_refused(line: str) -> None:
    with pytest.raises(ModuleError, match="line 1 is not"):
        parse_reports(line + "\n")


@given(st.text())
def test_any_text_gives_reports_or_a_module_error(anything: str) -> None:
    try:
        assert isinstance(parse_reports(anything), tuple)
    except ModuleError as error:
        assert str(error).startswith("rtpstreams: ")  # noqa: PT017 - either outcome is right


scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
value = scalar | st.lists(scalar, max_size=3) | st.dictionaries(st.text(), scalar, max_size=2)
likely = st.sampled_from(["1.2.3.4:5", "[::1]:1", "local", "mux", "0.0.0.0:0", ":", "[]:1", 0, 127])


@given(st.dictionaries(st.sampled_from(sorted(LINE)), value | likely))
def test_any_values_under_the_right_keys_give_a_report_or_a_module_error(changes: dict[str, Any]) -> None:
    try:
        [report] = parse_reports(text(LINE | changes))
    except ModuleError as error:
        assert any(repr(key) in str(error) for key in changes)  # noqa: PT017 - either outcome is right
    else:
        assert 0 <= report.packets_rx < 2**64
