"""What a Homer collector is sent of a leg that the switch carries: its RTCP, as Asterisk sends it, and reports on what it receives."""

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.quality import LegQuality
from stasis_offload.packets.frame import Datagram
from stasis_offload.packets.hep import Capture, Kind, compact, rtcp_as_json
from stasis_offload.packets.rtcp import ReceiverReport, SenderReport


def rtcp_capture(
    leg: LegReport, report: SenderReport | ReceiverReport, datagram: Datagram, *, at: float
) -> Capture:
    """Return what res_hep_rtcp makes of a report that a leg has sent; `at` is Unix time (s)."""
    return Capture(
        kind=Kind.RTCP,
        at=at,
        source=datagram.source,
        destination=datagram.destination,
        channel=leg.channel,
        call_id=leg.protocol_id,
        payload=rtcp_as_json(report),
    )


def rtp_capture(
    leg: LegReport, other: LegReport, quality: LegQuality, *, forwarded: int, ended: bool, at: float
) -> Capture | None:
    """Return a report on the RTP that a leg has received of the other one; None of a leg whose addresses are not known.

    `forwarded` is how many packets the switch sent it. The keys are those of captagent's reports, which Homer shows as the QoS of
    a call: the jitter is in ms, the MOS 1 to 4.5; what is not known is left out.
    """
    if leg.local is None or leg.remote is None:
        return None
    lost = None if quality.loss is None else round(quality.loss * forwarded)
    known = {
        "TYPE": "HANGUP" if ended else "PERIODIC",
        "REPORT_TS": round(at, 3),
        "SSRC": None if other.ssrc_rx is None else f"0x{other.ssrc_rx:08x}",
        "CODEC_NAME": other.format_rx,
        "EXPECTED_PK": forwarded,
        "TOTAL_PK": None if lost is None else forwarded - lost,
        "PACKET_LOSS": lost,
        "JITTER": None if quality.jitter_ms is None else round(quality.jitter_ms, 3),
        "MOS": None if quality.mos is None else round(quality.mos, 2),
    }
    return Capture(
        kind=Kind.RTP_REPORT,
        at=at,
        source=leg.local,
        destination=leg.remote,
        channel=leg.channel,
        call_id=leg.protocol_id,
        payload=compact({name: value for name, value in known.items() if value is not None}),
    )
