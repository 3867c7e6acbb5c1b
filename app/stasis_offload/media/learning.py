"""From Asterisk into the switch: each leg is heard on the wire, and taken over between two of its packets.

The switch is faster than Asterisk. A packet that it forwards would overtake one that Asterisk has still in its hands, so
a call is taken over when Asterisk has sent on the last packet of each leg, and none is due for a while: `settling`.
"""

from collections.abc import Mapping
from dataclasses import replace

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import has_received, why_not_observed
from stasis_offload.media.path import Attachment, Leg, MediaPath, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, relay
from stasis_offload.media.state import Placement, State

NOT_NATIVE = Reason(ReasonKind.NOT_NATIVE)

# Two sightings make a path only when both are this fresh (s): next hops and NAT bindings move.
MAX_OBSERVATION_AGE = 1.0
# Flows go in at most so long (s) after the last packet of each leg: of the usual 20 ms between two packets, the rest is
# for the switch to put them in.
CUTOVER_WINDOW = 0.015


def start_learning(
    placement: Placement, reports: Mapping[Leg, LegReport], now: float, *, soon: bool = False
) -> Step:
    """Begin to learn, or begin anew, what Asterisk has just reported; `soon` if it is yet to bridge natively."""
    learning = replace(
        placement,
        state=State.LEARNING,
        reason=Reason(ReasonKind.NO_MEDIA),
        since=now,
        deadline=now + placement.policy.verify_within,
        reports=reports,
        observed={},
        relayed_packets={},
        settling=False,
        quiet=False,
        rtcp_ports={},
    )
    return await_native(learning, now) if soon else learning, (cmd.SetFlows(learning.flows()),)


def await_native(placement: Placement, now: float) -> Placement:
    """Go on learning, and ask again soon whether Asterisk bridges natively now."""
    wait = now + placement.damping.wait(placement.policy.recheck)
    damping = placement.damping.with_failure()
    return replace(placement, reason=NOT_NATIVE, settling=False, deadline=wait, damping=damping)


def observe(placement: Placement, leg: Leg, sighting: ObservedPacket, now: float) -> Step:
    """Take a packet of a leg that is what Asterisk says; when both are heard, Asterisk is asked once more."""
    if placement.quiet:
        deadline = now + placement.policy.verify_within
        learning = replace(placement, observed={leg: (sighting, now)}, quiet=False, deadline=deadline)
        return learning, (cmd.SetFlows(learning.flows()),)
    if placement.settling:
        sightings = {**placement.observed, leg: (sighting, now)}
        return try_cut_over(replace(placement, observed=sightings), now)
    fresh = {leg: seen for leg, seen in placement.observed.items() if now - seen[1] <= MAX_OBSERVATION_AGE}
    known = len(fresh) == len(Leg)
    fresh[leg] = (sighting, now)
    both = len(fresh) == len(Leg)
    return replace(placement, observed=fresh), (cmd.Request.ASK,) if both and not known else ()


def note_relayed(placement: Placement, event: ev.PacketRelayed, now: float) -> Step:
    """Take a packet that Asterisk sent to a leg's other side; one of its own has another SSRC than the leg's."""
    passed = {**placement.relayed_packets, event.leg: (event.ssrc, event.sequence)}
    return try_cut_over(replace(placement, relayed_packets=passed), now)


def confirm(placement: Placement, now: float) -> Step:
    """Take over as soon as that is safe when Asterisk, asked after the wire was heard, still says the same."""
    if placement.reason == NOT_NATIVE:  # no longer
        deadline = now + placement.policy.verify_within
        placement = replace(placement, reason=Reason(ReasonKind.NO_MEDIA), deadline=deadline)
    if len(placement.observed) < len(Leg) or placement.settling:
        return placement, ()
    if any(now - at > MAX_OBSERVATION_AGE for _, at in placement.observed.values()):
        return start_learning(placement, placement.reports, now)
    for leg in Leg:
        sighting, _ = placement.observed[leg]
        report = placement.reports[leg]
        reason = why_not_observed(leg, report, sighting)
        if reason:
            return relay(placement, reason, now)
        if not has_received(report):  # it is about to read the packet that we were shown, or never gets it
            wait = placement.damping.wait(placement.policy.recheck)
            return replace(placement, deadline=now + wait, damping=placement.damping.with_failure()), ()
    return try_cut_over(replace(placement, settling=True, deadline=now + placement.policy.verify_within), now)


def on_learning_deadline(placement: Placement, now: float) -> Step:
    """Say which leg is silent and wait for it with one flow; stop waiting for Asterisk to be quick."""
    if placement.settling:
        return on_cutover_deadline(placement, now)
    if placement.reason == NOT_NATIVE:
        return replace(placement, deadline=now + placement.policy.recheck), (cmd.Request.ASK,)
    silent = next((leg for leg in Leg if leg not in placement.observed), None)
    if silent is None:
        return replace(placement, deadline=now + placement.policy.verify_within), (cmd.Request.ASK,)
    waiting = replace(
        placement,
        reason=Reason(ReasonKind.NO_MEDIA, silent),
        quiet=True,
        deadline=now + placement.policy.recheck,
    )
    return waiting, (cmd.Request.ASK, cmd.SetFlows(waiting.flows(), renew=True))


def on_cutover_deadline(placement: Placement, now: float) -> Step:
    """Take the call over though Asterisk is late, unless a leg fell silent, or Asterisk does not send it on."""
    began = now - placement.policy.verify_within
    if any(at < began for _, at in placement.observed.values()):
        return start_learning(placement, placement.reports, now)
    for leg in Leg:
        sighting, _ = placement.observed[leg]
        ssrc, _ = placement.relayed_packets.get(leg, (None, 0))
        if ssrc != sighting.ssrc:
            return relay(placement, Reason(ReasonKind.NOT_RELAYED, leg), now)
    return cut_over(placement, now)


def try_cut_over(placement: Placement, now: float) -> Step:
    """Take the call over if all is known, Asterisk has nothing of it in its hands, and no packet is about to come."""
    if not placement.settling:
        return placement, ()
    for leg in Leg:
        sighting, at = placement.observed[leg]
        if (
            placement.relayed_packets.get(leg) != (sighting.ssrc, sighting.sequence)
            or now - at > CUTOVER_WINDOW
        ):
            return placement, ()
    return cut_over(placement, now)


def cut_over(placement: Placement, now: float) -> Step:
    """Move the media into the switch."""
    offloaded = replace(
        placement,
        state=State.OFFLOADED,
        reason=None,
        since=now,
        deadline=now + placement.policy.verify_within,
        path=MediaPath(
            caller=Attachment.of(placement.observed[Leg.CALLER][0]),
            callee=Attachment.of(placement.observed[Leg.CALLEE][0]),
        ),
        unsampled=frozenset(Leg),
        observed={},
        settling=False,
    )
    return offloaded, (cmd.SetFlows(offloaded.flows()),)
