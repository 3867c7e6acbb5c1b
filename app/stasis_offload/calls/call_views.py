"""A call as the operator sees it, while it is up and for a while after its end. No I/O."""

from collections.abc import Iterable, Mapping

from stasis_offload.calls.call import Call
from stasis_offload.calls.ended_calls import EndedCall
from stasis_offload.calls.media_record import Move
from stasis_offload.calls.views import CallDetails, CallView, MoveView
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import Duty, Role, call_cookie
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.state import WANTED, Phase


def state_of(call: Call) -> str:
    """Return what a call is doing, as one word: `dialing`, or what carries its media."""
    if call.dialing.phase in (Phase.NEW, Phase.DIALING):
        return str(Phase.DIALING)
    return str(call.media.placement.state)


def view_of(call: Call, counts: Mapping[int, FlowCount], now: float) -> CallView:
    """Return a call as it is now; `counts` are counters of the switch, by cookie, as far as they were read."""
    placement = call.media.placement

    def forwarded(leg: Leg) -> FlowCount:
        return placement.forwarded(leg, counts.get(call_cookie(call.id) | Role.of(Duty.FORWARD, leg)))

    return CallView(
        call=call.id,
        caller=call.legs.name(CALLER) or call.legs.channel(CALLER),
        callee=_callee(call),
        state=state_of(call),
        reason=str(placement.reason) if placement.reason else None,
        detail=placement.reason.detail if placement.reason else None,
        age=now - call.began,
        state_age=now - max(placement.since, call.began),
        from_caller=forwarded(Leg.CALLER),
        from_callee=forwarded(Leg.CALLEE),
        caller_quality=call.media.quality.of(Leg.CALLER),
        callee_quality=call.media.quality.of(Leg.CALLEE),
        switch=call.media.carrier or None,
        partial=placement.partial,
        strangers_at_caller=call.media.strangers(Leg.CALLER),
        strangers_at_callee=call.media.strangers(Leg.CALLEE),
    )


def _callee(call: Call) -> str | None:
    """Return the name of the channel that answered, or of the only one that is being dialled."""
    dialing, legs = call.dialing, call.legs
    if dialing.winner:
        return legs.name(dialing.winner)
    wanted = [n for n, callee in enumerate(dialing.callees, start=1) if callee in WANTED]
    names = [name for n in wanted if (name := legs.name(n))]
    return names[0] if len(names) == 1 else None


def details_of(call: Call, counts: Mapping[int, FlowCount], now: float) -> CallDetails:
    """Return a call as `view_of` does, with its last moves."""
    return CallDetails(view_of(call, counts, now), _moves(call.media.record.moves, now), ended_age=None)


def ended_call(call: Call, now: float) -> EndedCall:
    """Return what is kept of a call that has just ended."""
    return EndedCall(view_of(call, {}, now), tuple(call.media.record.moves), now)


def details_of_ended(ended: EndedCall, now: float) -> CallDetails:
    """Return the same of a call that has ended."""
    return CallDetails(ended.view, _moves(ended.moves, now), ended_age=now - ended.at)


def _moves(moves: Iterable[Move], now: float) -> tuple[MoveView, ...]:
    return tuple(
        MoveView(
            age=now - move.at,
            state=str(move.state),
            reason=str(move.reason) if move.reason else None,
            detail=move.reason.detail if move.reason else None,
        )
        for move in moves
    )
