"""Legs as Asterisk reports them, for tests that vary one thing at a time."""

from dataclasses import replace
from typing import Any

from stasis_offload.asterisk.leg_report import Glue, LegReport, RtcpMode
from stasis_offload.media.path import Headers, Leg, ObservedPacket, SwitchPort
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
    event_pts_tx={8000: 101},
    event_pts_rx={8000: 101},
    ptime=0,
    rtcp=RtcpMode.SEPARATE,
    srtp=False,
    dtls=False,
    ice=False,
    symmetric=True,
    hold=False,
    audio_hook=False,
    dtmf_hooks=False,
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
# The port of the bridge itself.
OFPP_LOCAL = SwitchPort(0, 0xFFFF_FFFE)
PHONE_PORT = SwitchPort(0, 1)
PHONE_MAC, ASTERISK_MAC = "02:42:c6:12:32:02", "02:42:c6:12:32:03"
REPORTS = {Leg.CALLER: CALLER, Leg.CALLEE: CALLEE}


def sighting(leg: Leg, **changes: Any) -> ObservedPacket:
    """Make the packet that the switch sees when a leg's media is what Asterisk says it is."""
    report = REPORTS[leg]
    assert report.remote
    assert report.local
    headers = _headers(PHONE_PORT, PHONE_MAC, ASTERISK_MAC, report.remote, report.local, dscp=0)
    return _packet(report, headers, changes)


def passed_on(leg: Leg, **changes: Any) -> ObservedPacket:
    """Make the packet that Asterisk sends to the other leg of this leg's."""
    report, other = REPORTS[leg], REPORTS[leg.other]
    assert other.remote
    assert other.local
    headers = _headers(OFPP_LOCAL, ASTERISK_MAC, PHONE_MAC, other.local, other.remote, dscp=46)
    return _packet(report, headers, changes)


def _headers(
    in_port: SwitchPort, eth_src: str, eth_dst: str, source: Address, to: Address, *, dscp: int
) -> Headers:
    return Headers(
        in_port=in_port,
        tag=None,
        eth_src=eth_src,
        eth_dst=eth_dst,
        source=source,
        destination=to,
        dscp=dscp,
    )


def _packet(report: LegReport, headers: Headers, changes: dict[str, Any]) -> ObservedPacket:
    """Make an RTP packet of a leg; each change is of a field of it or of its headers."""
    fields = {
        "ttl": 64,
        "size": 172,
        "payload_type": 0,
        "sequence": 4711,
        "timestamp": 160,
        "ssrc": report.ssrc_rx or 0,
        "head": bytes(4),
    }
    changed = {name: value for name, value in changes.items() if name not in fields}
    return ObservedPacket(
        headers=replace(headers, **changed),
        **{name: changes.get(name, value) for name, value in fields.items()},
    )
