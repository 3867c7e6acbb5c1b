"""What the parties of many calls send, and Asterisk to them, as the switch shows it: RTP, and an RTCP report every five seconds."""

from dataclasses import replace
from struct import Struct

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import owner_of
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, build_udp
from tests.support.fake_asterisk import IDS
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.packets import rtp

# Seconds between two packets of a leg, and between two of its reports.
PERIOD = 0.02
REPORTED_EVERY = 5.0
_PACKETS_REPORTED = round(REPORTED_EVERY / PERIOD)

_PHONE_MAC, _ASTERISK_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:01"
# Where a frame's UDP payload begins (Ethernet, IPv4, UDP), and in it the sequence number of RTP.
_PAYLOAD = 14 + 20 + 8
_SEQUENCE, _SEQUENCE_AT = Struct("!HI"), _PAYLOAD + 2
# A sender report with one block, and a CNAME (RFC 3550 6.4.1, 6.5).
_REPORT = Struct("!BBHIQIII IIIIII BBHI BB10s")


def call_id(number: int) -> str:
    """Return the id of one of many calls, as `tests.support.fake_asterisk.answered` has it."""
    return f"1700000000.{number}"


def reports_of(number: int) -> dict[Leg, LegReport]:
    """Return the legs of one of many calls, each at ports of its own."""
    call = call_id(number)
    host, port = divmod(2 * number, 20000)

    def address(base: str, offset: int) -> Address:
        return Address.parse(f"{base}{host + 1}:{10000 + port + offset}")

    both = {}
    for leg, report, offset in ((Leg.CALLER, CALLER, 0), (Leg.CALLEE, CALLEE, 30000)):
        remote = address("198.18.1." if leg is Leg.CALLER else "198.18.2.", 0)
        both[leg] = replace(
            report,
            channel_id=call if leg is Leg.CALLER else IDS.callee(call, 1),
            peer_id=IDS.callee(call, 1) if leg is Leg.CALLER else call,
            bridge_id=IDS.bridge(call),
            local=address("198.18.0.", offset),
            remote=remote,
            sdp=remote,
        )
    return both


class Talk:
    """The frames of one call. A leg's are what it sends to Asterisk; by Asterisk, what that sends to the leg."""

    def __init__(self, number: int) -> None:
        self.owner = owner_of(call_id(number))
        self.legs = reports_of(number)
        self._frames: dict[tuple[Leg, bool, bool], bytearray] = {}

    def rtp(self, leg: Leg, number: int, *, by_asterisk: bool = False) -> bytes:
        """Return packet `number` of a leg's stream; by Asterisk, as it passes on to the leg the other's."""
        frame = self._frame(leg, by_asterisk=by_asterisk)
        _SEQUENCE.pack_into(frame, _SEQUENCE_AT, number & 0xFFFF, 160 * number & 0xFFFFFFFF)
        return bytes(frame)

    def rtcp(self, leg: Leg, number: int, *, by_asterisk: bool = False) -> bytes:
        """Return the report at the time of packet `number`: nothing is lost, and the jitter is never quite the same."""
        frame = self._frame(leg, by_asterisk=by_asterisk, rtcp=True)
        sent, received = self.legs[leg].ssrc_rx or 0, self.legs[leg.other].ssrc_rx or 0
        sender, block = (1, sent) if by_asterisk else (sent, received)
        ntp = int(number * PERIOD * 2**32)
        jitter = 8 + number // _PACKETS_REPORTED % 40
        fixed = (0x81, 200, 12, sender, ntp, 160 * number & 0xFFFFFFFF, number, 160 * number & 0xFFFFFFFF)
        named = (0x81, 202, 4, sender, 1, 10, b"phone@host")
        _REPORT.pack_into(frame, _PAYLOAD, *fixed, block, 0, number, jitter, 0, 0, *named)
        return bytes(frame)

    def _frame(self, leg: Leg, *, by_asterisk: bool, rtcp: bool = False) -> bytearray:
        """Return the frame with whatever was in it last; checksums are not looked at (frame.py)."""
        key = (leg, by_asterisk, rtcp)
        if key not in self._frames:
            report = self.legs[leg]
            stream = self.legs[leg.other if by_asterisk else leg]
            payload = bytes(_REPORT.size) if rtcp else rtp(ssrc=stream.ssrc_rx or 0)
            here, there = report.local, report.remote
            assert here
            assert there
            source, destination = (here, there) if by_asterisk else (there, here)
            datagram = Datagram(
                eth_src=_ASTERISK_MAC if by_asterisk else _PHONE_MAC,
                eth_dst=_PHONE_MAC if by_asterisk else _ASTERISK_MAC,
                tag=None,
                source=replace(source, port=source.port + rtcp),
                destination=replace(destination, port=destination.port + rtcp),
                ttl=64,
                size=len(payload),
                payload=payload,
            )
            self._frames[key] = bytearray(build_udp(datagram))
        return self._frames[key]
