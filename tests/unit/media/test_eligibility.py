"""Each reason not to offload is found from the report that shows it, and only then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stasis_offload.asterisk.leg_report import Glue, Rtcp
from stasis_offload.media.eligibility import has_heard, why_not, why_not_sighting
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import SENTENCES, Kind, Reason, reasons_as_markdown
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, REPORTS, sighting


def test_two_plain_legs_that_asterisk_bridges_natively_may_be_learned() -> None:
    assert why_not(CALLER, CALLEE) is None


def test_an_rtp_timeout_that_leaves_time_for_signs_of_life_is_no_reason() -> None:
    assert why_not(replace(CALLER, rtp_timeout=10), replace(CALLEE, rtp_timeout=3600)) is None


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_that_asterisk_does_not_list_is_named(leg: Leg) -> None:
    reports: dict[Leg, Any] = {**REPORTS, leg: None}
    assert why_not(reports[Leg.CALLER], reports[Leg.CALLEE]) == Reason(Kind.UNREPORTED, leg)


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"state": "Ringing"}, Kind.NOT_UP),
        ({"glue": Glue.NONE}, Kind.NOT_RTP),
        ({"glue": Glue.FORBID}, Kind.GLUE_FORBIDS),
        ({"glue": Glue.REMOTE}, Kind.DIRECT_MEDIA),
        ({"srtp": True, "glue": Glue.FORBID}, Kind.ENCRYPTED),
        ({"dtls": True, "ice": True, "rtcp": Rtcp.MUX}, Kind.ENCRYPTED),
        ({"ice": True}, Kind.ICE),
        ({"t38": True, "glue": Glue.FORBID}, Kind.T38),
        ({"video_glue": Glue.LOCAL}, Kind.VIDEO),
        ({"rtcp": Rtcp.MUX}, Kind.RTCP_MUX),
        ({"rtcp": Rtcp.OFF}, Kind.RTCP_OFF),
        ({"rtp_timeout": 9}, Kind.RTP_TIMEOUT),
        ({"rtp_keepalive": 15}, Kind.RTP_KEEPALIVE),
        ({"hold": True}, Kind.HOLD),
        ({"audio_hook": True, "bridge_technology": "simple_bridge"}, Kind.AUDIO_HOOK),
        ({"generator": True}, Kind.ASTERISK_SPEAKS),
        ({"remote": None}, Kind.NULL_ADDRESS),
        ({"remote": Address.parse("0.0.0.0:4000")}, Kind.NULL_ADDRESS),
        ({"local": Address.parse("[::]:4000")}, Kind.NULL_ADDRESS),
        ({"local": Address.parse("127.0.0.1:4000")}, Kind.NULL_ADDRESS),
        ({"remote": Address.parse("198.18.50.2:0")}, Kind.NULL_ADDRESS),
        ({"remote": Address.parse("198.18.50.3:10000")}, Kind.HAIRPIN),
    ],
)
def test_a_reason_of_one_leg_names_that_leg(leg: Leg, changes: dict[str, Any], kind: Kind) -> None:
    reports = {**REPORTS, leg: replace(REPORTS[leg], **changes)}
    assert why_not(reports[Leg.CALLER], reports[Leg.CALLEE]) == Reason(kind, leg)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bridge_channels": 3, "bridge_technology": "softmix"}, Kind.PARTIES),
        ({"format_tx": "alaw", "bridge_technology": "simple_bridge"}, Kind.CODEC),
        ({"format_rx": "alaw"}, Kind.CODEC),
        ({"ptime": 30}, Kind.PTIME),
        ({"audio_pt_rx": 96}, Kind.AUDIO_PT),
        ({"audio_pt_tx": 96}, Kind.AUDIO_PT),
        ({"audio_pt_rx": None}, Kind.AUDIO_PT),
        ({"event_pt_rx": 100}, Kind.EVENT_PT),
        ({"event_pt_tx": None}, Kind.EVENT_PT),
        ({"bridge_technology": "simple_bridge"}, Kind.NOT_NATIVE),
        ({"local_bridge": False}, Kind.NOT_NATIVE),
        (
            {"remote": Address.parse("[2001:db8::1]:4000"), "local": Address.parse("[2001:db8::2]:4000")},
            Kind.ADDRESS_FAMILY,
        ),
        ({"local": Address.parse("[2001:db8::2]:4000")}, Kind.ADDRESS_FAMILY),
    ],
)
def test_a_reason_of_both_legs_names_none(changes: dict[str, Any], kind: Kind) -> None:
    assert why_not(replace(CALLER, **changes), CALLEE) == Reason(kind)


def test_payload_types_may_differ_between_directions_as_long_as_each_direction_keeps_its_own() -> None:
    assert why_not(replace(CALLER, audio_pt_rx=96), replace(CALLEE, audio_pt_tx=96)) is None


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"source": Address.parse("198.18.50.9:20000")}, Kind.FOREIGN_SOURCE),
        ({"destination": Address.parse("198.18.50.3:4000")}, Kind.FOREIGN_SOURCE),
        ({"payload_type": 8}, Kind.FOREIGN_MEDIA),
        ({"ssrc": 0xDEAD}, Kind.FOREIGN_SSRC),
        ({"ttl": 1}, Kind.LOW_TTL),
    ],
)
def test_a_packet_that_is_not_what_asterisk_says_is_refused(
    leg: Leg, changes: dict[str, Any], kind: Kind
) -> None:
    assert why_not_sighting(leg, REPORTS[leg], sighting(leg, **changes)) == Reason(kind, leg)


@pytest.mark.parametrize("changes", [{}, {"payload_type": 101}])
def test_audio_and_telephone_events_of_the_known_source_are_accepted(changes: dict[str, Any]) -> None:
    assert why_not_sighting(Leg.CALLER, CALLER, sighting(Leg.CALLER, **changes)) is None


def test_a_leg_without_telephone_event_does_not_accept_its_payload_type() -> None:
    report = replace(CALLER, event_pt_rx=None)
    reason = why_not_sighting(Leg.CALLER, report, sighting(Leg.CALLER, payload_type=101))
    assert reason == Reason(Kind.FOREIGN_MEDIA, Leg.CALLER)


def test_asterisk_has_heard_a_leg_once_it_knows_its_ssrc_and_counted_a_packet() -> None:
    assert has_heard(CALLER)
    assert not has_heard(replace(CALLER, ssrc_rx=None))
    assert not has_heard(replace(CALLER, packets_rx=0))


def test_every_reason_has_a_sentence_and_a_printed_name() -> None:
    assert set(SENTENCES) == set(Kind)
    assert str(Reason(Kind.NO_MEDIA, Leg.CALLEE)) == "no-media:callee"
    assert str(Reason(Kind.PARTIES)) == "not-two-parties"
    assert Reason(Kind.HOLD).sentence == "The leg has been put on hold by the other."


def test_the_page_of_the_documentation_is_what_the_code_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "reasons.md"
    assert page.read_text(encoding="utf-8") == reasons_as_markdown()
