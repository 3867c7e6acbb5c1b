"""From Asterisk into the switch: each leg is observed on the wire, and the cutover lies between two of its packets.

While Asterisk does not bridge a call natively yet (`awaiting-native`), its packets are observed all the same, so that
the first ones are known when it does. A leg that stays silent costs one flow, which waits for its next packet
(`dormant`).

The switch is faster than Asterisk. A packet that it forwards would overtake one that Asterisk has yet to relay, so the
cutover waits until Asterisk has relayed the last packet of each leg and no further packet is due for a few milliseconds
(`cutting-over`).
"""

from collections.abc import Callable
from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.awaiting_native import await_native, why_not_learned
from stasis_offload.media.cutover import (
    CUTOVER_PROBE,
    MAX_LATE_ANSWERS,
    await_cutover,
    cut_over,
    gives_up,
    is_overdue,
    leg_behind,
    may_cut_over,
)
from stasis_offload.media.eligibility import (
    COMFORT_NOISE,
    has_own_hooks,
    has_received,
    is_other_media,
    why_not_observed,
    why_not_relayed,
)
from stasis_offload.media.observation import (
    MAX_OBSERVATION_AGE,
    is_stranger,
    not_relayed,
    on_no_rtp,
    was_disturbed,
    why_dormant,
    with_silent,
    without_garbled,
)
from stasis_offload.media.path import Direction, Leg, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, block, query_again, relay
from stasis_offload.media.schedule import schedules_with
from stasis_offload.media.starting import start_learning
from stasis_offload.media.state import NOT_NATIVE, Phase, Placement
from stasis_offload.media.strangers import disturbed, with_stranger
from stasis_offload.media.switch_choice import at_connected, is_elsewhere, note_elsewhere, why_apart

# What is known of a leg's way from its last turn is too old after so many seconds: routes and bonds change.
MAX_TURN = 30.0


def assess(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Learn an eligible call, and one that Asterisk will bridge natively soon, if its flows fit and when it is its turn; record the reason of any other."""
    if not placement.connected or placement.blocks:
        return placement, ()
    chosen = at_connected(placement, event)
    reason, soon = why_not_learned(chosen, event, now)
    if reason:
        return relay(placement, reason, now)
    if chosen.switch in event.full:
        return block(placement, ev.Blocked(ReasonKind.TABLE_FULL), now)
    if not event.room:
        return block(placement, ev.Blocked(ReasonKind.QUEUED), now)
    if has_own_hooks(chosen.featured, event.by_leg):
        chosen = replace(chosen, damping=chosen.damping.reset())
    return start_learning(chosen, event.by_leg, now, soon=soon)


def confirm_native(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on as in `learning` once Asterisk bridges natively; relay the call if that takes too long."""

    def proceed(reported: Placement) -> Step:
        deadline = now + placement.tuning.verify_within
        native = replace(
            reported, phase=Phase.LEARNING, reason=Reason(ReasonKind.NO_MEDIA), deadline=deadline
        )
        return _confirm(native, event, now)

    return _reassess(placement, event, now, proceed)


def confirm(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on to `cutting-over` if both legs are observed and Asterisk received both, unless the switch that shows them is full; restart if their media changed."""
    return _reassess(placement, event, now, lambda reported: _confirm(reported, event, now))


def confirm_cutover(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on waiting for the cutover if the call is still eligible; restart learning if its media changed.

    Once the wait is over, relay the call, and name the leg whose packets Asterisk does not receive, or not relay.
    """

    def name(reported: Placement) -> Step:
        leg = not_relayed(reported)
        if leg is None or not is_overdue(reported, now):
            return reported, ()
        reason = why_not_relayed(leg, before=placement.reports[leg], after=reported.reports[leg])
        return relay(reported, reason, now)

    return _reassess(placement, event, now, name)


def confirm_dormant(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Name the leg of which no packet is observed, and why, if the call is still eligible; restart learning if its media changed."""

    def name(reported: Placement) -> Step:
        named = replace(reported, reason=why_dormant(reported))
        if reported.reason != NOT_NATIVE:
            return named, ()
        return replace(named, deadline=now + placement.tuning.verify_within), ()

    return _reassess(placement, event, now, name)


def observe(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Record a leg's packet, and query the legs when both are observed; relay a call if it is not as reported."""

    def note(placement: Placement, packet: ObservedPacket) -> Step:
        fresh = {
            leg: observation
            for leg, observation in placement.observed.items()
            if now - observation[1] <= MAX_OBSERVATION_AGE
        }
        known = len(fresh) == len(Leg)
        fresh[event.leg] = (packet, now)
        both = len(fresh) == len(Leg)
        known_at = placement.known_at if known else now
        noted = replace(placement, observed=fresh, known_at=known_at)
        if placement.phase is Phase.LEARNING and event.leg not in placement.observed:
            # Time for Asterisk to relay it, should the other leg be silent.
            noted = replace(noted, deadline=now + placement.tuning.verify_within)
        return noted, (cmd.QueryLegs(),) if both and not known else ()

    return _if_as_reported(placement, event, now, note)


def observe_cutover(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Record a leg's packet, which Asterisk must relay before the cutover; relay a call if it is not as reported."""

    def note(placement: Placement, packet: ObservedPacket) -> Step:
        observed = {**placement.observed, event.leg: (packet, now)}
        return await_cutover(replace(placement, observed=observed), now), ()

    return _if_as_reported(placement, event, now, note)


def wake(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Go on learning, with all flows, now that the leg sends; relay a call if its packet is not as reported."""

    def note(placement: Placement, packet: ObservedPacket) -> Step:
        hooked = has_own_hooks(placement.featured, placement.reports)
        learning = replace(
            placement,
            # Asterisk may have ceased to bridge a dormant call natively.
            phase=Phase.AWAITING_NATIVE if hooked or placement.reason == NOT_NATIVE else Phase.LEARNING,
            damping=placement.damping.reset() if hooked else placement.damping,
            since=now,
            observed={event.leg: (packet, now)},
            deadline=now + placement.tuning.verify_within,
        )
        if now - placement.since > MAX_TURN:
            learning = replace(learning, last_packets={event.leg: packet}, relayed_packets={})
        return learning, (learning.set_flows(),)

    return _if_as_reported(placement, event, now, note)


def note_relayed(placement: Placement, event: ev.PacketRelayed, now: float) -> Step:
    """Record which packet Asterisk relayed; one of its own has another SSRC than the leg's."""
    if is_elsewhere(placement, event.packet):
        return note_elsewhere(placement, (Direction.OUT, event.leg), event.packet, now)
    relayed = {**placement.relayed_packets, event.leg: event.packet}
    return replace(placement, relayed_packets=relayed), ()


def cut_over_once_relayed(placement: Placement, event: ev.PacketRelayed, now: float) -> Step:
    """Record which packet Asterisk relayed; cut over soon if each leg's last one is relayed and no further one is due."""
    noted, commands = note_relayed(placement, event, now)
    return (noted, commands) if is_elsewhere(placement, event.packet) else (await_cutover(noted, now), ())


def on_switch_answered(placement: Placement, event: ev.SwitchAnswered, now: float) -> Step:
    """Cut over once what was mirrored before the answer is processed, if that was quick or the second late one; else probe again."""
    quick = event.after <= CUTOVER_PROBE
    late_answers = placement.late_answers + (not quick)
    return replace(placement, probed=quick, late_answers=late_answers, deadline=now), ()


def on_learning_deadline(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs if both are known, one perhaps by its packet before it fell silent; wait for any other with one flow (`dormant`)."""
    known = with_silent(placement, now)
    if len(known.observed) == len(Leg):
        return replace(known, deadline=now + placement.tuning.verify_within), (cmd.QueryLegs(),)
    apart = why_apart(placement, now)
    if apart:
        return relay(placement, apart, now)
    waiting = replace(
        placement, phase=Phase.DORMANT, shown_elsewhere={}, deadline=now + placement.tuning.recheck
    )
    return waiting, (cmd.QueryLegs(), waiting.set_flows())


def on_dormant_deadline(placement: Placement, event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs; if Asterisk bridges natively, the answer names the leg that is silent now."""
    if placement.reason == NOT_NATIVE:
        return query_again(placement, event, now)
    return on_learning_deadline(placement, event, now)


def on_cutover_deadline(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Probe the switch if this is the moment to cut over; cut over at once if it has answered just now, is always late, or has been probed for long.

    If there is none for long, relay the call: Asterisk is always late. Query the legs if one's packets are not relayed.
    Relay a call to whose ports somebody else sends, too.
    """
    disturbance = disturbed(placement, now)
    if disturbance:
        return disturbance
    apart = why_apart(placement, now) if is_overdue(placement, now) else None
    if apart:
        return relay(placement, apart, now)
    if may_cut_over(placement, now):
        asked = placement.probed or placement.late_answers >= MAX_LATE_ANSWERS or is_overdue(placement, now)
        return cut_over(placement, now) if asked else (placement, (cmd.ProbeSwitch(),))
    began = now - placement.tuning.verify_within
    if any(at < began for leg, (_, at) in placement.observed.items() if leg not in placement.silent):
        return start_learning(placement, placement.reports, now)
    late = leg_behind(placement)
    if late and gives_up(placement, now):
        return relay(placement, Reason(ReasonKind.NOT_RELAYED, late), now)
    in_vain = is_overdue(placement, now) and not_relayed(placement)
    return await_cutover(placement, now), (cmd.QueryLegs(),) if in_vain else ()


def _reassess(
    placement: Placement, event: ev.LegsReported, now: float, then: Callable[[Placement], Step]
) -> Step:
    """Relay a call that is no longer eligible; restart learning if its media changed; else continue with `then`."""
    reports = event.by_leg
    unobserved = {**reports, **placement.unobserved}
    reported = at_connected(replace(placement, reports=reports, unobserved=unobserved), event)
    reason, soon = why_not_learned(reported, event, now)
    if reason:
        return relay(placement, reason, now)
    if is_other_media(placement.reports, reports) or reported.switch != placement.switch:
        return start_learning(reported, reports, now, soon=soon)
    return (await_native(reported, now), ()) if soon else then(reported)


def _confirm(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Cut over as soon as that is safe if Asterisk, queried after the observation, still reports the same."""
    if len(placement.observed) < len(Leg):
        return placement, ()
    if placement.switch in event.full:  # it may be another than that which had room when learning began
        return block(placement, ev.Blocked(ReasonKind.TABLE_FULL), now)
    if any(now - at > MAX_OBSERVATION_AGE for _, at in placement.observed.values()):
        return start_learning(placement, placement.reports, now)
    for leg in Leg:
        packet, _ = placement.observed[leg]
        report = placement.reports[leg]
        reason = why_not_observed(leg, report, packet)
        if reason:
            return relay(placement, reason, now)
        if not has_received(report):  # Asterisk has yet to read the observed packet, or never receives it
            if now - placement.known_at > placement.tuning.verify_within:
                return relay(placement, Reason(ReasonKind.NOT_RECEIVED, leg), now)
            wait = placement.damping.wait(placement.tuning.recheck)
            return replace(placement, deadline=now + wait, damping=placement.damping.with_failure()), ()
    disturbance = disturbed(placement, now)
    if disturbance:
        return disturbance
    quiet_at = placement.since + placement.tuning.verify_within
    if was_disturbed(placement) and now < quiet_at:
        return replace(placement, deadline=quiet_at), ()
    cutting_over = replace(
        placement,
        other_sources={},
        late_answers=0,
        phase=Phase.CUTTING_OVER,
        cutting_over_since=now,
    )
    return await_cutover(cutting_over, now), ()


def _if_as_reported(
    placement: Placement,
    event: ev.PacketObserved,
    now: float,
    then: Callable[[Placement, ObservedPacket], Step],
) -> Step:
    """Continue with `then` if a packet on its way to Asterisk is as Asterisk reports; relay the call if not.

    A packet that is not the leg's is counted alone: Asterisk does not take it either.
    """
    leg = event.leg
    # Mirrored by a `forward` flow that has been removed, or before learning restarted: queued during a long query.
    if event.by_switch or now < placement.since:
        return placement, ()
    if event.packet and is_elsewhere(placement, event.packet):
        return _if_of_leg(placement, event, event.packet, now)
    if is_stranger(placement, event):
        return with_stranger(placement, event, now), ()
    if event.packet is None:
        return on_no_rtp(placement, leg, now)
    placement = without_garbled(placement, leg)
    unobserved = {other: report for other, report in placement.unobserved.items() if other is not leg}
    noted = replace(placement, unobserved=unobserved)
    if event.packet.payload_type == COMFORT_NOISE:
        return noted, ()  # of a party that listens; its audio is yet to come
    reason = why_not_observed(leg, placement.reports[leg], event.packet)
    if reason:
        return relay(noted, reason, now)
    last = {**placement.last_packets, leg: event.packet}
    schedules = schedules_with(placement.schedules, placement.reports[leg], leg, event.packet, now)
    sending = replace(noted, last_packets=last, silent=placement.silent - {leg}, schedules=schedules)
    return then(sending, event.packet)


def _if_of_leg(placement: Placement, event: ev.PacketObserved, packet: ObservedPacket, now: float) -> Step:
    """Note what another switch has shown if it is the leg's audio, and nothing else of it: the same packet may be observed, too."""
    leg = event.leg
    if packet.payload_type == COMFORT_NOISE or is_stranger(placement, event):
        return placement, ()
    if why_not_observed(leg, placement.reports[leg], packet):
        return placement, ()
    return note_elsewhere(placement, (Direction.IN, leg), packet, now)
