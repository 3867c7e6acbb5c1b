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

A mirrored packet is also sent to the application (packet-in). The learning flows come and go before forwarding; the
guards and RTCP belong to a call that is forwarded.
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

# Above the priority-0 NORMAL flow of every bridge and above what people type by hand (32768 is the default of
# ovs-ofctl), and forwarding above learning, so that a copy stops the moment forwarding starts.
LEARNING_PRIORITY = 40_000
GUARD_IN_PRIORITY = 40_050
FORWARDING_PRIORITY = 40_100


class Duty(IntEnum):
    """What a flow is for; the table above."""

    LEARN_IN = 0
    FORWARD = 1
    RTCP = 2
    RTCP_DROP = 3
    GUARD_IN = 4
    GUARD_OUT = 5
    LEARN_OUT = 6


class Role(IntEnum):
    """The duty of a flow and the leg it is about; the low byte of its cookie."""

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
        """The leg that the flow is about: it sends what is matched, or Asterisk sends it to the leg."""
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
    """How long flows live without us, in seconds: without a packet, and at most unless renewed. And their limit."""

    idle_timeout: int
    lease: int
    limit: int = 0


FORWARDING_ROLES = tuple(role for role in Role if role.forwards)


def owner_of(call: str) -> int:
    """Return the owner (40 bits) that a call's flows name; the same call id gives the same owner after a restart."""
    return int.from_bytes(blake2b(call.encode(), digest_size=5).digest(), "big")


def call_cookie(call: str) -> int:
    """Return the cookie of a call with role 0."""
    return owner_cookie(owner_of(call))


def role_of(cookie: int) -> Role | None:
    """Read a flow's role from a cookie of ours; None when the low byte is not a role of this version."""
    try:
        return Role(cookie & COOKIE_ROLE_MASK)
    except ValueError:
        return None


def learn_in_flow(call: str, leg: Leg, *, source: Address, destination: Address, lease: int) -> Flow:
    """Build the flow that shows us a leg's next packets while Asterisk goes on relaying them."""
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.LEARN_IN, leg),
        priority=LEARNING_PRIORITY,
        match=Match(source=source, destination=destination),
        action=Mirror(),
        hard_timeout=lease,
    )


def learn_out_flow(call: str, leg: Leg, *, source: Address, destination: Address, lease: int) -> Flow:
    """Build the flow that shows us what Asterisk sends to a leg: of what the other leg sent, what it has passed on."""
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
    """Build both directions of a call; of the legs in `sampled`, packets are shown to us as well."""
    return tuple(_forwarding_flow(call, leg, path, lifetime, sample=leg in sampled) for leg in Leg)


def _forwarding_flow(call: str, leg: Leg, path: MediaPath, lifetime: FlowLifetime, *, sample: bool) -> Flow:
    near = path.attachment(leg)
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.FORWARD, leg),
        priority=FORWARDING_PRIORITY,
        # Of the next hop too: when a leg's packets begin to come from another router, what we send it would
        # still go to the old one. They fall through to Asterisk instead, and the leg is learned again.
        match=_from(near, source=near.remote, destination=near.local),
        action=_to_other(path, leg, sample=LEARNING_BYTES if sample else 0),
        idle_timeout=lifetime.idle_timeout,
        hard_timeout=lifetime.lease,
        limit=lifetime.limit,
    )


def guarding_flows(call: str, path: MediaPath, *, lease: int) -> tuple[Flow, ...]:
    """Build the flows that show us what should not happen while a call is forwarded.

    A packet to a leg's RTP port that is not the stream we forward has another source (a NAT that has changed its
    mind) or came another way; a packet of Asterisk's own is music, a tone or a digit that no event reported.
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
    """Build the flows that take RTCP from end to end, with a copy for Asterisk and one for us.

    RTCP uses the port above RTP's (RFC 3550, 11) unless `ports` knows better: a NAT may give it any. What Asterisk
    says by itself, of packets it no longer sees, is kept from the legs.
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
    # A NAT may give the last port there is to RTP; the port of RTCP is then for it to show.
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
