"""Every flow that the application installs, as a plain value; its cookie names the call and the duty.

| duty | matches | does | priority |
|---|---|---|---|
| learn-in | what comes to a leg's RTP port | goes its own way, mirrored | 10 |
| learn-out | RTP that Asterisk sends to the leg | goes its own way, mirrored | 10 |
| guard-in | anything to the leg's RTP port that is not its forwarded stream | goes its own way, mirrored | 20 |
| forward | a leg's RTP to Asterisk, by the port and next hop it was learned on | to the other leg | 30 |
| small | what a `forward` flow takes, and is too small for audio (sizes.py) | goes its own way, mirrored | 30 |
| large | the rest of what it takes | to the other leg | 30 |
| verify, sample | what goes to the other leg by them | is shown to the application too | 30, 40 |
| guard-out | RTP that Asterisk sends to the leg | goes its own way, mirrored | 30 |
| rtcp | what a leg sends to Asterisk's RTCP port | goes its own way, mirrored whole | 30 |
| rtcp-drop | what Asterisk sends to the leg from there | dropped, and shown to the application whole | 30 |
| rtcp-out | the same, where RTCP stays with Asterisk | goes its own way, mirrored | 30 |

A packet that goes its own way is treated as by the bridge without these flows. A mirrored packet is also sent to the
application (packet-in).

What goes to a leg is built from the headers that Asterisk itself sends to it (next hop, VLAN, priority, DSCP), and leaves
as if it had come from Asterisk's port: the bridge's own flows choose its way. The learning flows end with the cutover;
guards and RTCP flows exist only beside `forward` flows: `guard-in` from the cutover on, the others once it is verified.
`rtcp-drop` outlives them by an interval or two of Asterisk's RTCP. `verify` and `sample` are in a table of their own: the
first comes with the cutover until a packet is forwarded, the second for a moment at an audit (openflow/sampler.py). `small`
and `large` are in another, and without them `forward` itself sends to the other leg. The application passes on what of the
legs' RTCP goes to the other leg, and what of Asterisk's is none (rtcp_relay.py).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from stasis_offload.media.path import Attachment, Headers, Leg, MediaPath
from stasis_offload.media.roles import Duty, Role, call_cookie
from stasis_offload.openflow.flow import (
    FULL_PACKET,
    SAMPLE_TABLE,
    SIZE_TABLE,
    TABLE,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    Sample,
    Split,
)
from stasis_offload.packets.address import MAX_PORT, Address

# In our own table (gate.py). Forwarding is above learning, so that a copy stops the moment forwarding starts.
LEARNING_PRIORITY = 10
GUARD_IN_PRIORITY = 20
FORWARDING_PRIORITY = 30
SAMPLE_PRIORITY = 40

# Seconds. So rarely is the flow of a leg added again that stays silent; the flows of a dead application end after it.
SILENT_TIMEOUT = 300

# Seconds. Asterisk reports twice in them (RTCP_DEFAULT_INTERVALMS in res/res_rtp_asterisk.c).
WITHHOLDING_TIMEOUT = 11

# How many flows a call has at most, by table: beside each leg's `forward`, `guard-in`, `guard-out`, `rtcp` and `rtcp-drop`,
# what shows its packets (`verify` of a silent leg stays until it sends, beside `sample`), and `small` and `large`.
MOST_FLOWS = {TABLE: 10, SAMPLE_TABLE: 4, SIZE_TABLE: 4}

# Bytes of the headers in front of a UDP payload.
_ETHERNET, _TAG, _IP, _UDP = 14, 4, {4: 20, 6: 40}, 8


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """How long a forwarding flow lives without a packet (s).

    Those of the legs in `silent` live for SILENT_TIMEOUT: RTCP shows that the leg is there.
    """

    idle_timeout: int
    silent: frozenset[Leg] = frozenset()


def learning_flows(call: str, leg: Leg, *, remote: Address, local: Address) -> tuple[Flow, ...]:
    """Build the flows that mirror what comes to a leg's RTP port, and what Asterisk relays to the leg (`remote`).

    The first are of any source: a leg may send from another address than the one it receives at.
    """
    return (
        waiting_flow(call, leg, source=None, local=local),
        Flow(
            cookie=call_cookie(call) | Role.of(Duty.LEARN_OUT, leg),
            priority=LEARNING_PRIORITY,
            match=Match(source=local, destination=remote),
            action=Mirror(),
        ),
    )


def waiting_flow(call: str, leg: Leg, *, source: Address | None, local: Address) -> Flow:
    """Build the flow that mirrors the next packets of a silent leg, from one source or from any."""
    return Flow(
        cookie=call_cookie(call) | Role.of(Duty.LEARN_IN, leg),
        priority=LEARNING_PRIORITY,
        match=Match(source=source, destination=local),
        action=Mirror(),
    )


def forwarding_flows(call: str, path: MediaPath, limits: FlowLimits) -> tuple[Flow, ...]:
    """Build both directions of a call."""
    flows: list[Flow] = []
    for leg in Leg:
        from_leg, to_other = path.attachment(leg), _as_asterisk_sends(path.attachment(leg.other).received)
        # Of the next hop too: when a leg's packets begin to come another way, Asterisk may answer another way.
        match = _from(from_leg.sent)
        flows.append(
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.FORWARD, leg),
                priority=FORWARDING_PRIORITY,
                match=match,
                action=Split(_frame_size(from_leg) - 1) if from_leg.least else to_other,
                idle_timeout=SILENT_TIMEOUT if leg in limits.silent else limits.idle_timeout,
            )
        )
        if from_leg.least:
            flows += _by_size(call, leg, match, to_other)
    return tuple(flows)


def is_forwarded(path: MediaPath, leg: Leg, headers: Headers) -> bool:
    """Return whether the `forward` flow of a leg, if there is one, takes a packet with these headers."""
    return _from(headers) == _from(path.attachment(leg).sent)


def _by_size(call: str, leg: Leg, match: Match, to_other: Forward) -> tuple[Flow, ...]:
    small = Flow(
        cookie=call_cookie(call) | Role.of(Duty.SMALL, leg),
        priority=FORWARDING_PRIORITY,
        match=replace(match, larger=False),
        action=Mirror(),
        table=SIZE_TABLE,
    )
    large = replace(
        small,
        cookie=call_cookie(call) | Role.of(Duty.LARGE, leg),
        match=replace(match, larger=True),
        action=to_other,
    )
    return small, large


def _frame_size(leg: Attachment) -> int:
    """Return the size of the frame with the leg's smallest audio."""
    version = leg.sent.destination.host.version
    return _ETHERNET + (_TAG if leg.sent.tag else 0) + _IP[version] + _UDP + leg.least


def verifying_flows(call: str, path: MediaPath, legs: Collection[Leg]) -> tuple[Flow, ...]:
    """Build the flows that show the first packets of these legs that are forwarded."""
    return tuple(_sample_of(call, path, leg, Duty.VERIFY, FORWARDING_PRIORITY) for leg in Leg if leg in legs)


def sampling_flows(call: str, path: MediaPath) -> tuple[Flow, ...]:
    """Build the flows that show forwarded packets at an audit."""
    return tuple(_sample_of(call, path, leg, Duty.SAMPLE, SAMPLE_PRIORITY) for leg in Leg)


def inbound_guards(call: str, path: MediaPath) -> tuple[Flow, ...]:
    """Build the flows that mirror what comes to a leg's RTP port and is not of its forwarded stream.

    It has another source (a NAT has changed its binding), or came by another port or next hop.
    """
    return tuple(
        Flow(
            cookie=call_cookie(call) | Role.of(Duty.GUARD_IN, leg),
            priority=GUARD_IN_PRIORITY,
            match=Match(source=None, destination=path.attachment(leg).local),
            action=Mirror(),
        )
        for leg in Leg
    )


def outbound_guards(call: str, path: MediaPath) -> tuple[Flow, ...]:
    """Build the flows that mirror RTP of Asterisk's own: music, a tone or a digit that no event reported."""
    return tuple(
        Flow(
            cookie=call_cookie(call) | Role.of(Duty.GUARD_OUT, leg),
            priority=FORWARDING_PRIORITY,
            match=Match(source=received.source, destination=received.destination),
            action=Mirror(),
        )
        for leg in Leg
        for received in (path.attachment(leg).received,)
    )


def rtcp_flows(call: str, path: MediaPath) -> tuple[Flow, ...]:
    """Build the flows that show RTCP to the application: a leg's, which goes on to Asterisk, and Asterisk's, dropped.

    Asterisk's own reports are about packets that it no longer receives. A leg may send from any port: RTCP has the port
    above RTP's (RFC 3550, 11), and a NAT may assign any other.
    """
    flows = []
    for leg in Leg:
        sent = path.attachment(leg).sent
        to_asterisk = Match(source=_any_port(sent.source), destination=_rtcp(sent.destination))
        flows += [
            Flow(
                cookie=call_cookie(call) | Role.of(Duty.RTCP, leg),
                priority=FORWARDING_PRIORITY,
                match=to_asterisk,
                action=Mirror(FULL_PACKET),
            ),
            _rtcp_to(call, leg, path.attachment(leg).received, Duty.RTCP_DROP, Drop(FULL_PACKET)),
        ]
    return tuple(flows)


def withholding_flows(call: str, withheld: Mapping[Leg, Headers]) -> tuple[Flow, ...]:
    """Build the flows that show the application what Asterisk reports after a return, for it to send on what it should."""
    return tuple(
        replace(
            _rtcp_to(call, leg, received, Duty.RTCP_DROP, Drop(FULL_PACKET)), hard_timeout=WITHHOLDING_TIMEOUT
        )
        for leg, received in withheld.items()
    )


def rtcp_watching_flows(call: str, path: MediaPath) -> tuple[Flow, ...]:
    """Build the flows that mirror what Asterisk reports to the legs, where RTCP stays with Asterisk."""
    return tuple(_rtcp_to(call, leg, path.attachment(leg).received, Duty.RTCP_OUT, Mirror()) for leg in Leg)


def _rtcp_to(call: str, leg: Leg, received: Headers, duty: Duty, action: Drop | Mirror) -> Flow:
    return Flow(
        cookie=call_cookie(call) | Role.of(duty, leg),
        priority=FORWARDING_PRIORITY,
        match=Match(source=_rtcp(received.source), destination=_any_port(received.destination)),
        action=action,
    )


def _rtcp(address: Address) -> Address:
    return replace(address, port=min(address.port + 1, MAX_PORT))


def _any_port(address: Address) -> Address:
    return replace(address, port=0)


def _from(sent: Headers) -> Match:
    return Match(
        source=sent.source,
        destination=sent.destination,
        in_port=sent.in_port.number,
        vlan=sent.tag.vid if sent.tag else None,
        eth_src=sent.eth_src,
    )


def _sample_of(call: str, path: MediaPath, leg: Leg, duty: Duty, priority: int) -> Flow:
    return Flow(
        cookie=call_cookie(call) | Role.of(duty, leg),
        priority=priority,
        match=_from(path.attachment(leg).sent),
        action=Sample(),
        table=SAMPLE_TABLE,
    )


def _as_asterisk_sends(received: Headers) -> Forward:
    return Forward(
        in_port=received.in_port.number,
        eth_src=received.eth_src,
        eth_dst=received.eth_dst,
        source=received.source,
        destination=received.destination,
        tag=received.tag,
        dscp=received.dscp,
    )
