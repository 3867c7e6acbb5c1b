"""Encodes HEP3, in which programs send a Homer collector what they have captured: one capture is one UDP datagram.

Chunks and their order are those of Asterisk's own (hep_queue_cb in res/res_hep.c), so that a collector that reads those reads these.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import PROTOCOL_UDP
from stasis_offload.packets.rtcp import RECEIVER_REPORT, SENDER_REPORT, ReceiverReport, SenderReport

_HEADER = Struct("!4sH")
_CHUNK = Struct("!HHH")
_GENERIC_VENDOR = 0

# Types of chunks, of the generic vendor (enum hepv3_chunk_types in res/res_hep.c).
_FAMILY, _PROTOCOL = 0x01, 0x02
_IPV4_SOURCE, _IPV4_DESTINATION, _IPV6_SOURCE, _IPV6_DESTINATION = 0x03, 0x04, 0x05, 0x06
_SOURCE_PORT, _DESTINATION_PORT = 0x07, 0x08
_SECONDS, _MICROSECONDS = 0x09, 0x0A
_KIND, _AGENT_ID, _PASSWORD, _PAYLOAD, _CORRELATION_ID, _AGENT_NAME = 0x0B, 0x0C, 0x0E, 0x0F, 0x11, 0x13
# AF_INET and AF_INET6 of Linux, by the version of IP.
_FAMILIES = {4: 2, 6: 10}
_IPV6 = 6

# Seconds from the epoch of NTP, 1900, to that of Unix.
_NTP_EPOCH = 2_208_988_800


class Kind(IntEnum):
    """What a payload is: RTCP, or a report on RTP, which heplify-server calls rtpagent (decoder/hep.go); both are JSON."""

    RTCP = 5
    RTP_REPORT = 34


@dataclass(frozen=True, slots=True)
class Agent:
    """Who sends: what Asterisk's hep.conf calls capture_id, capture_name and capture_password, and uuid_type = channel.

    The password goes over the network as it is.
    """

    capture_id: int = 0
    name: str = ""
    password: str = ""
    by_channel: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """What is told of a channel, as if it were a packet from `source` to `destination`; `at` is Unix time (s).

    `call_id` is the channel's SIP Call-ID, None if it is not known.
    """

    kind: Kind
    at: float
    source: Address
    destination: Address
    channel: str
    call_id: str | None
    payload: str


def encode(capture: Capture, agent: Agent) -> bytes:
    """Return the datagram for a collector.

    Its correlation id is what Asterisk's is (assign_uuid in res/res_hep_rtcp.c and res/res_hep_pjsip.c): the Call-ID, or
    the channel's name if that is wanted, or all there is.
    """
    source, destination = capture.source, capture.destination
    seconds, microseconds = divmod(round(capture.at * 1_000_000), 1_000_000)
    to, from_ = (
        (_IPV6_DESTINATION, _IPV6_SOURCE)
        if source.host.version == _IPV6
        else (_IPV4_DESTINATION, _IPV4_SOURCE)
    )
    correlation_id = capture.channel if agent.by_channel else capture.call_id or capture.channel
    chunks = [
        _number(_FAMILY, _FAMILIES[source.host.version], size=1),
        _number(_PROTOCOL, PROTOCOL_UDP, size=1),
        _number(_SOURCE_PORT, source.port, size=2),
        _number(_DESTINATION_PORT, destination.port, size=2),
        _number(_SECONDS, seconds, size=4),
        _number(_MICROSECONDS, microseconds, size=4),
        _number(_KIND, capture.kind, size=1),
        _number(_AGENT_ID, agent.capture_id, size=4),
        _chunk(from_, source.host.packed),
        _chunk(to, destination.host.packed),
    ]
    if agent.password:
        chunks.append(_chunk(_PASSWORD, agent.password.encode()))
    chunks.append(_chunk(_CORRELATION_ID, correlation_id.encode()))
    if agent.name:
        chunks.append(_chunk(_AGENT_NAME, agent.name.encode()))
    chunks.append(_chunk(_PAYLOAD, capture.payload.encode()))
    body = b"".join(chunks)
    return _HEADER.pack(b"HEP3", _HEADER.size + len(body)) + body


def _number(kind: int, value: int, *, size: int) -> bytes:
    return _chunk(kind, value.to_bytes(size, "big"))


def _chunk(kind: int, body: bytes) -> bytes:
    return _CHUNK.pack(_GENERIC_VENDOR, kind, _CHUNK.size + len(body)) + body


def rtcp_as_json(report: SenderReport | ReceiverReport) -> str:
    """Return a report as Asterisk writes it (rtcp_report_to_json in main/rtp_engine.c), but for two faults of its.

    The `ssrc` is who sent the report: of those that it receives, Asterisk 22.10 gives the word behind that (ast_rtcp_interpret in
    res/res_rtp_asterisk.c). Of several blocks it has the first alone.
    A number of lost packets below zero is its lower 24 bits, `fraction_lost` is in 256ths, jitter in units of the timestamp,
    `dlsr` in 1/65536 s; a sender's time is Unix time.
    """
    return compact(
        {
            "ssrc": report.ssrc,
            "type": SENDER_REPORT if isinstance(report, SenderReport) else RECEIVER_REPORT,
            "report_count": len(report.blocks),
            "sender_information": _sender_information(report) if isinstance(report, SenderReport) else None,
            "report_blocks": [
                {
                    "source_ssrc": block.ssrc,
                    "fraction_lost": int(block.fraction_lost * 256),
                    "packets_lost": block.cumulative_lost & 0xFFFFFF,
                    "highest_seq_no": block.highest_sequence,
                    "ia_jitter": block.jitter,
                    "lsr": str(block.last_sr),
                    "dlsr": block.delay_since_last_sr,
                }
                for block in report.blocks
            ],
        }
    )


def _sender_information(report: SenderReport) -> dict[str, str | int]:
    seconds, microseconds = divmod((report.ntp * 1_000_000 + (1 << 31)) >> 32, 1_000_000)
    return {
        "ntp_timestamp_sec": str(seconds - _NTP_EPOCH & 0xFFFF_FFFF),
        "ntp_timestamp_usec": str(microseconds),
        "rtp_timestamp": report.rtp_timestamp,
        "packets": report.packets,
        "octets": report.octets,
    }


def compact(value: dict[str, object]) -> str:
    """Return JSON without a space that it need not have."""
    return json.dumps(value, separators=(",", ":"))
