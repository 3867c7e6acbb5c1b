"""From Asterisk into the switch: each leg is observed on the wire, and the cutover lies between two of its packets.

Of a call that Asterisk does not bridge natively yet (`awaiting-native`), packets are watched all the same: it is about
to, and then the first packets are known already. A leg that stays silent costs one flow, that of its next packet
(`dormant`).

The switch is faster than Asterisk. A packet that it forwards would overtake one that Asterisk has yet to relay, so the
cutover waits until Asterisk has relayed the last packet of each leg and no further packet is due for a few milliseconds
(`cutting-over`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import has_received, is_other_media, why_not_observed
from stasis_offload.media.path import Attachment, Leg, MediaPath, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, query_again, relay, why_not_now
from stasis_offload.media.state import NOT_NATIVE, Phase, Placement

# Two observations make a path only when neither is older (s): next hops and NAT bindings move.
MAX_OBSERVATION_AGE = 1.0
# Flows go in at most so long (s) after the last packet of each leg: of the usual 20 ms between two packets, the rest is
# for the switch to put them in.
CUTOVER_WINDOW = 0.015
# A call that Asterisk does not bridge natively yet is learned all the same for so many questions after a change, half a
# second in all: it takes Asterisk some milliseconds to, and then the first packets are known already.
MAX_NATIVE_QUERIES = 7


def assess(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Learn an eligible call, and one that is about to be bridged natively; say why any other stays relayed."""
    if not placement.connected or placement.blocks:
        return placement, ()
    reason = why_not_now(placement, event, now)
    soon = _is_native_soon(placement, reason)
    if reason and not soon:
        return relay(placement, reason, now)
    return start_learning(placement, event.by_leg, now, soon=soon)


def confirm_native(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on as in `learning` once Asterisk bridges natively; relay the call if it does not for too long."""

    def proceed(reported: Placement) -> Step:
        deadline = now + placement.policy.verify_within
        native = replace(
            reported, phase=Phase.LEARNING, reason=Reason(ReasonKind.NO_MEDIA), deadline=deadline
        )
        return _confirm(native, now)

    return _reassess(placement, event, now, proceed)


def confirm(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on to `cutting-over` if both legs are known and Asterisk has received both; restart learning if their media changed."""
    return _reassess(placement, event, now, lambda reported: _confirm(reported, now))


def confirm_cutover(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on waiting for the moment if the call is still eligible; restart learning if its media changed."""
    return _reassess(placement, event, now, lambda reported: (reported, ()))


def confirm_dormant(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on waiting for the silent leg if the call is still eligible; restart learning if its media changed."""

    def wait(reported: Placement) -> Step:
        if reported.reason != NOT_NATIVE:
            return reported, ()
        deadline = now + placement.policy.verify_within
        return replace(reported, reason=Reason(ReasonKind.NO_MEDIA), deadline=deadline), ()

    return _reassess(placement, event, now, wait)


def observe(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Note a leg's packet, and query the legs when both are observed; relay a call whose packet is not as reported."""

    def note(packet: ObservedPacket) -> Step:
        fresh = {
            leg: observation
            for leg, observation in placement.observed.items()
            if now - observation[1] <= MAX_OBSERVATION_AGE
        }
        known = len(fresh) == len(Leg)
        fresh[event.leg] = (packet, now)
        both = len(fresh) == len(Leg)
        return replace(placement, observed=fresh), (cmd.QueryLegs(),) if both and not known else ()

    return _if_as_reported(placement, event, now, note)


def observe_cutover(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Note a leg's packet: Asterisk has to send it on first; relay a call whose packet is not as reported."""

    def note(packet: ObservedPacket) -> Step:
        observed = {**placement.observed, event.leg: (packet, now)}
        return try_cut_over(replace(placement, observed=observed), now)

    return _if_as_reported(placement, event, now, note)


def wake(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Go on learning, with all flows, now that the leg sends; relay a call whose packet is not as reported."""

    def note(packet: ObservedPacket) -> Step:
        learning = replace(
            placement,
            # A dormant call may have ceased to be bridged natively meanwhile.
            phase=Phase.AWAITING_NATIVE if placement.reason == NOT_NATIVE else Phase.LEARNING,
            observed={event.leg: (packet, now)},
            deadline=now + placement.policy.verify_within,
        )
        return learning, (cmd.SetFlows(learning.flows()),)

    return _if_as_reported(placement, event, now, note)


def note_relayed(placement: Placement, event: ev.PacketRelayed, _now: float) -> Step:
    """Note which packet Asterisk sent on; one of its own has another SSRC than the leg's."""
    relayed = {**placement.relayed_packets, event.leg: (event.ssrc, event.sequence)}
    return replace(placement, relayed_packets=relayed), ()


def cut_over_once_relayed(placement: Placement, event: ev.PacketRelayed, now: float) -> Step:
    """Move the media into the switch if Asterisk has now sent on all it got, and no packet is about to come."""
    noted, _ = note_relayed(placement, event, now)
    return try_cut_over(noted, now)


def on_learning_deadline(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs; name a leg that is silent and wait for it, `dormant`, with one flow."""
    silent = next((leg for leg in Leg if leg not in placement.observed), None)
    if silent is None:
        return replace(placement, deadline=now + placement.policy.verify_within), (cmd.QueryLegs(),)
    waiting = replace(
        placement,
        phase=Phase.DORMANT,
        reason=Reason(ReasonKind.NO_MEDIA, silent),
        deadline=now + placement.policy.recheck,
    )
    return waiting, (cmd.QueryLegs(), cmd.SetFlows(waiting.flows(), renew=True))


def on_dormant_deadline(placement: Placement, event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs, and renew the flow that waits for the silent one."""
    if placement.reason == NOT_NATIVE:
        return query_again(placement, event, now)
    return on_learning_deadline(placement, event, now)


def on_cutover_deadline(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Cut over though Asterisk is late, unless a leg fell silent, or Asterisk does not send it on."""
    began = now - placement.policy.verify_within
    if any(at < began for _, at in placement.observed.values()):
        return start_learning(placement, placement.reports, now)
    for leg in Leg:
        packet, _ = placement.observed[leg]
        ssrc, _ = placement.relayed_packets.get(leg, (None, 0))
        if ssrc != packet.ssrc:
            return relay(placement, Reason(ReasonKind.NOT_RELAYED, leg), now)
    return cut_over(placement, now)


def start_learning(
    placement: Placement, reports: Mapping[Leg, LegReport], now: float, *, soon: bool = False
) -> Step:
    """Start or restart learning from what Asterisk has just reported; `soon` if it is yet to bridge natively."""
    learning = replace(
        placement,
        phase=Phase.LEARNING,
        reason=Reason(ReasonKind.NO_MEDIA),
        since=now,
        deadline=now + placement.policy.verify_within,
        reports=reports,
        observed={},
        relayed_packets={},
        rtcp_ports={},
    )
    return await_native(learning, now) if soon else learning, (cmd.SetFlows(learning.flows()),)


def await_native(placement: Placement, now: float) -> Placement:
    """Go on learning, and ask again soon whether Asterisk bridges natively now; a dormant call stays dormant."""
    return replace(
        placement,
        phase=Phase.DORMANT if placement.phase is Phase.DORMANT else Phase.AWAITING_NATIVE,
        reason=NOT_NATIVE,
        deadline=now + placement.damping.wait(placement.policy.recheck),
        damping=placement.damping.with_failure(),
    )


def try_cut_over(placement: Placement, now: float) -> Step:
    """Cut over if Asterisk has nothing of the call in its hands, and no packet is about to come."""
    for leg in Leg:
        packet, at = placement.observed[leg]
        if placement.relayed_packets.get(leg) != (packet.ssrc, packet.sequence) or now - at > CUTOVER_WINDOW:
            return placement, ()
    return cut_over(placement, now)


def cut_over(placement: Placement, now: float) -> Step:
    """Move the media into the switch."""
    offloaded = replace(
        placement,
        phase=Phase.UNVERIFIED,
        reason=None,
        since=now,
        deadline=now + placement.policy.verify_within,
        path=MediaPath(
            caller=Attachment.of(placement.observed[Leg.CALLER][0]),
            callee=Attachment.of(placement.observed[Leg.CALLEE][0]),
        ),
        unsampled=frozenset(Leg),
        observed={},
    )
    return offloaded, (cmd.SetFlows(offloaded.flows()),)


def _is_native_soon(placement: Placement, reason: Reason | None) -> bool:
    return reason == NOT_NATIVE and placement.damping.failures < MAX_NATIVE_QUERIES


def _reassess(
    placement: Placement, event: ev.LegsReported, now: float, then: Callable[[Placement], Step]
) -> Step:
    """Relay a call that is no longer eligible, restart learning if its media changed; otherwise continue with `then`."""
    reason = why_not_now(placement, event, now)
    soon = _is_native_soon(placement, reason)
    if reason and not soon:
        return relay(placement, reason, now)
    reports = event.by_leg
    if is_other_media(placement.reports, reports):
        return start_learning(placement, reports, now, soon=soon)
    reported = replace(placement, reports=reports)
    return (await_native(reported, now), ()) if soon else then(reported)


def _confirm(placement: Placement, now: float) -> Step:
    """Cut over as soon as that is safe if Asterisk, queried after the observation, still reports the same."""
    if len(placement.observed) < len(Leg):
        return placement, ()
    if any(now - at > MAX_OBSERVATION_AGE for _, at in placement.observed.values()):
        return start_learning(placement, placement.reports, now)
    for leg in Leg:
        packet, _ = placement.observed[leg]
        report = placement.reports[leg]
        reason = why_not_observed(leg, report, packet)
        if reason:
            return relay(placement, reason, now)
        if not has_received(report):  # it is about to read the packet that we were shown, or never gets it
            wait = placement.damping.wait(placement.policy.recheck)
            return replace(placement, deadline=now + wait, damping=placement.damping.with_failure()), ()
    deadline = now + placement.policy.verify_within
    return try_cut_over(replace(placement, phase=Phase.CUTTING_OVER, deadline=deadline), now)


def _if_as_reported(
    placement: Placement, event: ev.PacketObserved, now: float, then: Callable[[ObservedPacket], Step]
) -> Step:
    """Do as `then` says with a packet on its way to Asterisk that is what Asterisk says."""
    if event.by_switch:  # of a stay in the switch that is over
        return placement, ()
    if event.packet is None:
        return relay(placement, Reason(ReasonKind.FOREIGN_MEDIA, event.leg), now)
    reason = why_not_observed(event.leg, placement.reports[event.leg], event.packet)
    return relay(placement, reason, now) if reason else then(event.packet)
