"""Each reason not to offload is found from the report that shows it, and only then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stasis_offload.asterisk.leg_report import Glue, RtcpMode
from stasis_offload.media.eligibility import has_received, why_not, why_not_observed
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import EXPLANATIONS, Reason, ReasonKind, reasons_as_markdown
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, REPORTS, sighting


def test_two_plain_legs_that_asterisk_bridges_natively_may_be_learned() -> None:
    assert why_not(CALLER, CALLEE) is None


def test_an_rtp_timeout_that_leaves_time_for_signs_of_life_is_no_reason() -> None:
    assert why_not(replace(CALLER, rtp_timeout=10), replace(CALLEE, rtp_timeout=3600)) is None


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_that_asterisk_does_not_list_is_named(leg: Leg) -> None:
    reports: dict[Leg, Any] = {**REPORTS, leg: None}
    assert why_not(reports[Leg.CALLER], reports[Leg.CALLEE]) == Reason(ReasonKind.UNREPORTED, leg)


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"state": "Ringing"}, ReasonKind.NOT_UP),
        ({"glue": Glue.NONE}, ReasonKind.NOT_RTP),
        ({"glue": Glue.FORBID}, ReasonKind.GLUE_FORBIDS),
        ({"glue": Glue.REMOTE}, ReasonKind.DIRECT_MEDIA),
        ({"srtp": True, "glue": Glue.FORBID}, ReasonKind.ENCRYPTED),
        ({"dtls": True, "ice": True, "rtcp": RtcpMode.MUX}, ReasonKind.ENCRYPTED),
        ({"ice": True}, ReasonKind.ICE),
        ({"t38": True, "glue": Glue.FORBID}, ReasonKind.T38),
        ({"video_glue": Glue.LOCAL}, ReasonKind.VIDEO),
        ({"rtcp": RtcpMode.MUX}, ReasonKind.RTCP_MUX),
        ({"rtcp": RtcpMode.OFF}, ReasonKind.RTCP_OFF),
        ({"rtp_timeout": 9}, ReasonKind.RTP_TIMEOUT),
        ({"rtp_keepalive": 15}, ReasonKind.RTP_KEEPALIVE),
        ({"hold": True}, ReasonKind.HOLD),
        ({"audio_hook": True, "bridge_technology": "simple_bridge"}, ReasonKind.AUDIO_HOOK),
        ({"generator": True}, ReasonKind.ASTERISK_MEDIA),
        ({"remote": None}, ReasonKind.NULL_ADDRESS),
        ({"remote": Address.parse("0.0.0.0:4000")}, ReasonKind.NULL_ADDRESS),
        ({"local": Address.parse("[::]:4000")}, ReasonKind.NULL_ADDRESS),
        ({"local": Address.parse("127.0.0.1:4000")}, ReasonKind.NULL_ADDRESS),
        ({"remote": Address.parse("198.18.50.2:0")}, ReasonKind.NULL_ADDRESS),
        ({"remote": Address.parse("198.18.50.3:10000")}, ReasonKind.HAIRPIN),
    ],
)
def test_a_reason_of_one_leg_names_that_leg(leg: Leg, changes: dict[str, Any], kind: ReasonKind) -> None:
    reports = {**REPORTS, leg: replace(REPORTS[leg], **changes)}
    assert why_not(reports[Leg.CALLER], reports[Leg.CALLEE]) == Reason(kind, leg)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bridge_channels": 3, "bridge_technology": "softmix"}, ReasonKind.NOT_TWO_PARTIES),
        ({"format_tx": "alaw", "bridge_technology": "simple_bridge"}, ReasonKind.CODEC),
        ({"format_rx": "alaw"}, ReasonKind.CODEC),
        ({"ptime": 30}, ReasonKind.PTIME),
        ({"audio_pt_rx": 96}, ReasonKind.AUDIO_PT),
        ({"audio_pt_tx": 96}, ReasonKind.AUDIO_PT),
        ({"audio_pt_rx": None}, ReasonKind.AUDIO_PT),
        ({"event_pts_rx": {}}, ReasonKind.EVENT_PT),
        ({"event_pts_tx": {}}, ReasonKind.EVENT_PT),
        ({"bridge_technology": "simple_bridge"}, ReasonKind.NOT_NATIVE),
        ({"local_bridge": False}, ReasonKind.NOT_NATIVE),
        (
            {"remote": Address.parse("[2001:db8::1]:4000"), "local": Address.parse("[2001:db8::2]:4000")},
            ReasonKind.ADDRESS_FAMILY,
        ),
        ({"local": Address.parse("[2001:db8::2]:4000")}, ReasonKind.ADDRESS_FAMILY),
    ],
)
def test_a_reason_of_both_legs_names_none(changes: dict[str, Any], kind: ReasonKind) -> None:
    assert why_not(replace(CALLER, **changes), CALLEE) == Reason(kind)


@pytest.mark.parametrize("numbers", [{8000: 96}, {48000: 101}, {8000: 101, 48000: 110}])
def test_digits_of_another_payload_type_or_rate_need_a_switch_that_leaves_them_to_asterisk(
    numbers: dict[int, int],
) -> None:
    caller = replace(CALLER, event_pts_rx=numbers, event_pts_tx=numbers)
    assert why_not(caller, CALLEE) is None
    assert why_not(caller, CALLEE, splits=False) == Reason(ReasonKind.EVENT_PT)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"format_rx": "alaw"}, "caller alaw, callee ulaw"),
        ({"ptime": 30}, "caller 30 ms, callee 0 ms"),
        ({"format_rx": "ulaw", "audio_pt_rx": 107}, "caller ulaw 107, callee ulaw 0"),
        ({"event_pts_rx": {}}, "caller no telephone-event, callee telephone-event/8000 101"),
    ],
)
def test_what_the_legs_differ_in_is_said_with_the_values_of_both(
    changes: dict[str, Any], detail: str
) -> None:
    reason = why_not(replace(CALLER, **changes), CALLEE)
    assert reason is not None
    assert reason.detail == detail


def test_payload_types_may_differ_between_directions_as_long_as_each_direction_keeps_its_own() -> None:
    assert why_not(replace(CALLER, audio_pt_rx=96), replace(CALLEE, audio_pt_tx=96)) is None


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"source": Address.parse("198.18.50.9:20000")}, ReasonKind.FOREIGN_SOURCE),
        ({"destination": Address.parse("198.18.50.3:4000")}, ReasonKind.FOREIGN_SOURCE),
        ({"payload_type": 8}, ReasonKind.FOREIGN_MEDIA),
        ({"ssrc": 0xDEAD}, ReasonKind.FOREIGN_SSRC),
        ({"ttl": 1}, ReasonKind.LOW_TTL),
    ],
)
def test_a_packet_that_is_not_what_asterisk_says_is_refused(
    leg: Leg, changes: dict[str, Any], kind: ReasonKind
) -> None:
    assert why_not_observed(leg, REPORTS[leg], sighting(leg, **changes)) == Reason(kind, leg)


@pytest.mark.parametrize("changes", [{}, {"payload_type": 101}])
def test_audio_and_telephone_events_of_the_known_source_are_accepted(changes: dict[str, Any]) -> None:
    assert why_not_observed(Leg.CALLER, CALLER, sighting(Leg.CALLER, **changes)) is None


def test_a_leg_without_telephone_event_does_not_accept_its_payload_type() -> None:
    report = replace(CALLER, event_pts_rx={})
    reason = why_not_observed(Leg.CALLER, report, sighting(Leg.CALLER, payload_type=101))
    assert reason == Reason(ReasonKind.FOREIGN_MEDIA, Leg.CALLER)


def test_asterisk_has_heard_a_leg_once_it_knows_its_ssrc_and_counted_a_packet() -> None:
    assert has_received(CALLER)
    assert not has_received(replace(CALLER, ssrc_rx=None))
    assert not has_received(replace(CALLER, packets_rx=0))


def test_every_reason_has_a_sentence_and_a_printed_name() -> None:
    assert set(EXPLANATIONS) == set(ReasonKind)
    assert str(Reason(ReasonKind.NO_MEDIA, Leg.CALLEE)) == "no-media:callee"
    assert str(Reason(ReasonKind.NOT_TWO_PARTIES)) == "not-two-parties"


def test_the_page_of_the_documentation_is_what_the_code_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "reasons.md"
    assert page.read_text(encoding="utf-8") == reasons_as_markdown()
