"""The usual RTCP of a call in the switch: it goes on without a step of the machine, at a fraction of the cost.

Usual is what changes nothing but the time of the last report: a leg's own report, whole, once Asterisk's way to the other leg
and its CNAME there are known, and what Asterisk sends by the way by which it came before. All else is the machine's
(`mirrored.py`), which does with these the same: `rtcp_relay.pass_on_report`, `forwarding.on_rtcp_sent`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stasis_offload.errors import BadPacketError
from stasis_offload.media import commands as cmd
from stasis_offload.media.path import Headers, Leg, SwitchPort, headers_of
from stasis_offload.media.rtcp_relay import envelope_of
from stasis_offload.media.state import Placement, State
from stasis_offload.packets.frame import Envelope, parse_udp, take_apart
from stasis_offload.packets.rtcp import cname_of, is_rtcp, renamed, reporters_of, split_compound


@dataclass(frozen=True, slots=True)
class PassedOn:
    """A leg's report, in its RTCP packets, and the command that passes it on."""

    packets: Sequence[bytes]
    command: cmd.InjectPacket


class UsualRtcp:
    """Tells the usual RTCP of one call. It remembers, by leg, what it has worked out of Asterisk's last headers."""

    def __init__(self) -> None:
        self._envelopes: dict[Leg, tuple[Headers, Envelope]] = {}
        self._flows: dict[Leg, tuple[Headers, bytes]] = {}

    def pass_on(self, placement: Placement, leg: Leg, frame: bytes) -> PassedOn | None:
        """Return the report of a leg that a frame is, for the other leg; None if it is not a usual one."""
        to, cname = placement.rtcp_out.get(leg.other), placement.cnames.get(leg.other)
        taken = take_apart(frame)
        if placement.state is not State.OFFLOADED or to is None or cname is None or taken is None:
            return None
        _, ttl, payload = taken
        try:
            packets = split_compound(payload)
        except BadPacketError:
            return None
        if ttl <= 1 or reporters_of(packets) != {placement.reports[leg].ssrc_rx}:
            return None
        known = self._envelopes.get(leg)
        if known is None or known[0] is not to:
            known = self._envelopes[leg] = to, envelope_of(to)
        wrapped = known[1].wrap(renamed(packets, cname), ttl=ttl - 1)
        return PassedOn(packets, cmd.InjectPacket(to.in_port, wrapped))

    def is_known(self, placement: Placement, leg: Leg, *, in_port: SwitchPort, frame: bytes) -> bool:
        """Return whether a frame is RTCP that Asterisk sends to a leg by the way of its last, and under the same CNAME."""
        before, cname = placement.rtcp_out.get(leg), placement.cnames.get(leg)
        taken = take_apart(frame)
        if placement.state is not State.OFFLOADED or before is None or taken is None:
            return False
        flow, _, payload = taken
        if in_port != before.in_port or not is_rtcp(payload):
            return False
        # Asterisk's has one CNAME (ast_rtcp_generate_sdes in res/res_rtp_asterisk.c), a random UUID that stands nowhere else.
        if cname not in payload if cname else cname_of(payload):
            return False
        known = self._flows.get(leg)
        if known is None or known[0] is not before:
            if headers_of(in_port, parse_udp(frame)) != before:
                return False
            known = self._flows[leg] = before, flow
        return known[1] == flow
