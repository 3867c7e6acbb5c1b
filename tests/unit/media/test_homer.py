"""What Homer is told of a leg."""

import json
from dataclasses import replace

import pytest

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.homer import rtp_capture
from stasis_offload.media.quality import LegQuality
from stasis_offload.packets.hep import Kind
from tests.support.leg_reports import CALLEE, CALLER

LEG = replace(CALLER, protocol_id="a1b2@198.18.50.2")
GOOD = LegQuality(loss=0.1, recent_loss=0.5, jitter_ms=1.23456, rtt_ms=30.0, mos=4.2345, upstream_loss=0.0)


def test_a_report_is_on_what_the_leg_receives_of_the_other_one() -> None:
    capture = rtp_capture(LEG, CALLEE, GOOD, forwarded=1000, ended=True, at=1796011845.12345)
    assert capture
    assert (capture.kind, capture.call_id, capture.channel) == (
        Kind.RTP_REPORT,
        LEG.protocol_id,
        LEG.channel,
    )
    assert (capture.source, capture.destination) == (LEG.local, LEG.remote)
    assert json.loads(capture.payload) == {
        "TYPE": "HANGUP",
        "REPORT_TS": 1796011845.123,
        "SSRC": "0x0000bbbb",
        "CODEC_NAME": "ulaw",
        "EXPECTED_PK": 1000,
        "TOTAL_PK": 900,
        "PACKET_LOSS": 100,
        "JITTER": 1.235,
        "MOS": 4.23,
    }


def test_what_is_not_known_is_left_out_and_never_perfect() -> None:
    capture = rtp_capture(LEG, replace(CALLEE, ssrc_rx=None), LegQuality(), forwarded=7, ended=False, at=1.0)
    assert capture
    assert json.loads(capture.payload) == {
        "TYPE": "PERIODIC",
        "REPORT_TS": 1.0,
        "CODEC_NAME": "ulaw",
        "EXPECTED_PK": 7,
    }


@pytest.mark.parametrize("leg", [replace(LEG, local=None), replace(LEG, remote=None)])
def test_a_leg_without_addresses_is_not_reported(leg: LegReport) -> None:
    assert rtp_capture(leg, CALLEE, GOOD, forwarded=1, ended=True, at=1.0) is None
