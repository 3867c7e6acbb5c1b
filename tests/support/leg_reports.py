"""Legs as Asterisk reports them, for tests that vary one thing at a time."""

from dataclasses import replace
from typing import Any

from stasis_offload.asterisk.leg_report import Glue, LegReport, RtcpMode
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.packets.address import Address

CALLER = LegReport(
    channel="PJSIP/asterisk1-00000001",
    channel_id="1700000000.1",
    state="Up",
    peer_id="offload-1700000000.1-1",
    bridge_id="offload-1700000000.1",
    bridge_technology="native_rtp",
    bridge_channels=2,
    glue=Glue.LOCAL,
    video_glue=Glue.NONE,
    local=Address.parse("198.18.50.3:10000"),
    remote=Address.parse("198.18.50.2:20000"),
    sdp=Address.parse("198.18.50.2:20000"),
    format_tx="ulaw",
    format_rx="ulaw",
    formats=("ulaw",),
    audio_pt_tx=0,
    audio_pt_rx=0,
    event_pt_tx=101,
    event_pt_rx=101,
    ptime=0,
    rtcp=RtcpMode.SEPARATE,
    srtp=False,
    dtls=False,
    ice=False,
    symmetric=True,
    hold=False,
    audio_hook=False,
    generator=False,
    t38=False,
    local_bridge=True,
    ssrc_tx=1,
    ssrc_rx=0xAAAA,
    packets_tx=5,
    packets_rx=5,
    idle=0,
    rtp_timeout=0,
    rtp_keepalive=0,
)
CALLEE = replace(
    CALLER,
    channel="PJSIP/asterisk1-00000002",
    channel_id="offload-1700000000.1-1",
    peer_id="1700000000.1",
    local=Address.parse("198.18.50.3:10002"),
    remote=Address.parse("198.18.50.2:20002"),
    sdp=Address.parse("198.18.50.2:20002"),
    ssrc_rx=0xBBBB,
)
REPORTS = {Leg.CALLER: CALLER, Leg.CALLEE: CALLEE}


def sighting(leg: Leg, **changes: Any) -> ObservedPacket:
    """Make the packet that the switch sees when a leg's media is what Asterisk says it is."""
    report = REPORTS[leg]
    assert report.remote
    assert report.local
    seen = ObservedPacket(
        in_port=1,
        vlan=None,
        remote_mac="02:42:c6:12:32:02",
        local_mac="02:42:c6:12:32:03",
        source=report.remote,
        destination=report.local,
        ttl=64,
        payload_type=0,
        sequence=4711,
        ssrc=report.ssrc_rx or 0,
    )
    return replace(seen, **changes)
