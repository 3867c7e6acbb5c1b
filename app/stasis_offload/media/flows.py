"""Every flow that the application installs, as a plain value; its cookie names the call and the duty.

| duty | matches | does | priority |
|---|---|---|---|
| learn-in | a leg's RTP to Asterisk | NORMAL, mirrored | 40000 |
| learn-out | RTP that Asterisk sends to the leg | NORMAL, mirrored | 40000 |
| guard-in | anything to the leg's RTP port that is not its forwarded stream | NORMAL, mirrored | 40050 |
| forward | a leg's RTP to Asterisk, by the port and next hop it was learned on | to the other leg | 40100 |
| guard-out | RTP that Asterisk sends to the leg | NORMAL, mirrored | 40100 |
| rtcp | a leg's RTCP to Asterisk | NORMAL, mirrored, and to the other leg | 40100 |
| rtcp-drop | RTCP that Asterisk sends to the leg | dropped | 40100 |

A mirrored packet is also sent to the application (packet-in). The learning flows end with the cutover; guards and RTCP
flows exist only beside `forward` flows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import blake2b

from stasis_offload.media.path import Attachment, Leg, MediaPath
from stasis_offload.openflow.flow import (
    COOKIE_ROLE_MASK,
    FULL_PACKET,
    LEARNING_BYTES,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    owner_cookie,
)
from stasis_offload.packets.address import MAX_PORT, Address

# Above the priority-0 NORMAL flow of every bridge and above flows added by hand (32768 is the default of ovs-ofctl);
# forwarding above learning, so that no packet is mirrored by a learning flow once forwarding has started.
LEARNING_PRIORITY = 40_000
GUARD_IN_PRIORITY = 40_050
FORWARDING_PRIORITY = 40_100


class Duty(IntEnum):
    """What a flow is for; see the table above."""

    LEARN_IN = 0
    FORWARD = 1
    RTCP = 2
    RTCP_DROP = 3
    GUARD_IN = 4
    GUARD_OUT = 5
    LEARN_OUT = 6


class Role(IntEnum):
    """A duty for a leg; the low byte of a flow's cookie."""

    LEARN_IN_CALLER = 1
    LEARN_IN_CALLEE = 2
    FORWARD_CALLER = 3
    FORWARD_CALLEE = 4
    RTCP_CALLER = 5
    RTCP_CALLEE = 6
    RTCP_DROP_CALLER = 7
    RTCP_DROP_CALLEE = 8
    GUARD_IN_CALLER = 9
    GUARD_IN_CALLEE = 10
    GUARD_OUT_CALLER = 11
    GUARD_OUT_CALLEE = 12
    LEARN_OUT_CALLER = 13
    LEARN_OUT_CALLEE = 14

    @classmethod
    def of(cls, duty: Duty, leg: Leg) -> "Role":
        """Return the role of a duty for a leg."""
        return cls(2 * duty + (1 if leg is Leg.CALLER else 2))

    @property
    def leg(self) -> Leg:
        """The leg that sends the matched packets, or to which Asterisk sends them."""
        return Leg.CALLER if self % 2 else Leg.CALLEE

    @property
    def duty(self) -> Duty:
        """What the flow is for."""
        return Duty((self - 1) // 2)

    @property
    def forwards(self) -> bool:
        """Whether the flow carries media past Asterisk."""
        return self.duty is Duty.FORWARD


@dataclass(frozen=True, slots=True)
class FlowLifetime:
    """Timeouts in seconds, without a packet and unless renewed; `limit` in packets per second, 0 for none."""

    idle_timeout: int
    lease: int
    limit: int = 0


FORWARDING_ROLES = tuple(role for role in Role if role.forwards)


def owner_of(call: str) -> int:
    """Return the owner (40 bits) of a call's flows; the same call id gives the same owner after a restart."""
    return int.from_bytes(blake2b(call.encode(), digest_size=5).digest(), "big")


def call_cookie(call: str) -> int:
    """Return the cookie of a call with role 0."""
    return owner_cookie(owner_of(call))


def role_of(cookie: int) -> Role | None:
    """Return the role in a cookie of ours; None if the low byte is not a role of this version."""
    try:
        return Role(cookie & COOKIE_ROLE_MASK)
    except ValueError:
        return None


def learn_in_flow(call: str, leg: Leg, *, source: Address, destination: Address, lease: int) -> Flow:
    """Build the flow that mirrors a leg's packets to Asterisk, which relays them."""
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.LEARN_IN, leg),
        priority=LEARNING_PRIORITY,
        match=Match(source=source, destination=destination),
        action=Mirror(),
        hard_timeout=lease,
    )


def learn_out_flow(call: str, leg: Leg, *, source: Address, destination: Address, lease: int) -> Flow:
    """Build the flow that mirrors Asterisk's packets to a leg: they show which of the other leg's are relayed."""
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.LEARN_OUT, leg),
        priority=LEARNING_PRIORITY,
        match=Match(source=source, destination=destination),
        action=Mirror(),
        hard_timeout=lease,
    )


def forwarding_flows(
    call: str, path: MediaPath, lifetime: FlowLifetime, *, sampled: Collection[Leg] = ()
) -> tuple[Flow, ...]:
    """Build the flows that forward both legs; packets of the legs in `sampled` are mirrored too."""
    return tuple(_forwarding_flow(call, leg, path, lifetime, sample=leg in sampled) for leg in Leg)


def _forwarding_flow(call: str, leg: Leg, path: MediaPath, lifetime: FlowLifetime, *, sample: bool) -> Flow:
    near = path.attachment(leg)
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.FORWARD, leg),
        priority=FORWARDING_PRIORITY,
        # The next hop is matched, too: packets to the leg go to the router that the leg's own came from. When
        # these come from another router, they no longer match: Asterisk relays, and the leg is learned again.
        match=_from(near, source=near.remote, destination=near.local),
        action=_to_other(path, leg, sample=LEARNING_BYTES if sample else 0),
        idle_timeout=lifetime.idle_timeout,
        hard_timeout=lifetime.lease,
        limit=lifetime.limit,
    )


def guarding_flows(call: str, path: MediaPath, *, lease: int) -> tuple[Flow, ...]:
    """Build the guards, which mirror packets that should not occur while a call is forwarded.

    A packet to a leg's RTP port that is not of the forwarded stream has another source (a NAT has changed its
    binding) or came by another port or next hop; a packet of Asterisk's own is music, a tone or a digit that no event
    reported.
    """
    flows = []
    for leg in Leg:
        attachment = path.attachment(leg)
        flows += [
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.GUARD_IN, leg),
                priority=GUARD_IN_PRIORITY,
                match=Match(source=None, destination=attachment.local),
                action=Mirror(),
                hard_timeout=lease,
            ),
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.GUARD_OUT, leg),
                priority=FORWARDING_PRIORITY,
                match=Match(source=attachment.local, destination=attachment.remote),
                action=Mirror(),
                hard_timeout=lease,
            ),
        ]
    return tuple(flows)


def rtcp_flows(call: str, path: MediaPath, ports: Mapping[Leg, int], *, lease: int) -> tuple[Flow, ...]:
    """Build the flows that forward RTCP from end to end, with a copy to Asterisk and one to the application.

    RTCP uses the port above RTP's (RFC 3550, 11) unless `ports` has another: a NAT may assign any. Asterisk's own
    reports are dropped: they are about packets that it no longer receives.
    """
    flows = []
    for leg in Leg:
        near, far = path.attachment(leg), path.attachment(leg.other)
        here, there = _rtcp(near.local), _rtcp(far.local)
        to = replace(far.remote, port=ports.get(leg.other, _rtcp(far.remote).port))
        anywhere = replace(near.remote, port=0)
        flows += [
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.RTCP, leg),
                priority=FORWARDING_PRIORITY,
                match=_from(near, source=anywhere, destination=here),
                action=replace(
                    _to_other(path, leg, sample=FULL_PACKET), also_normal=True, source=there, destination=to
                ),
                hard_timeout=lease,
            ),
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.RTCP_DROP, leg),
                priority=FORWARDING_PRIORITY,
                match=Match(source=here, destination=anywhere),
                action=Drop(),
                hard_timeout=lease,
            ),
        ]
    return tuple(flows)


def _rtcp(address: Address) -> Address:
    # A NAT may assign the last port to RTP. The port of RTCP is then known once a packet of it is mirrored.
    return replace(address, port=min(address.port + 1, MAX_PORT))


def _from(attachment: Attachment, *, source: Address, destination: Address) -> Match:
    return Match(
        source=source,
        destination=destination,
        in_port=attachment.in_port,
        vlan=attachment.vlan,
        eth_src=attachment.remote_mac,
    )


def _to_other(path: MediaPath, leg: Leg, *, sample: int) -> Forward:
    near, far = path.attachment(leg), path.attachment(leg.other)
    return Forward(
        eth_src=far.local_mac,
        eth_dst=far.remote_mac,
        source=far.local,
        destination=far.remote,
        vlan=far.vlan,
        out_port=None if far.in_port == near.in_port else far.in_port,
        mirror_bytes=sample,
    )
