"""What became of a call while nobody looked: after a lost connection to Asterisk, or in an earlier process."""

from collections.abc import Collection, Mapping

from stasis_offload.signalling import events as ev
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.state import Callee, Dialing, Diversion, Phase


def missed(
    dialing: Dialing, *, caller_left: bool, callees: Mapping[int, bool], absent: Collection[int]
) -> tuple[ev.Event, ...]:
    """Return the events that were lost while the connection to Asterisk was down, inferred from its channels.

    `caller_left` is whether the caller is no more, or runs Stasis() no more; `callees` maps the number of each callee
    channel that exists to whether it is up, and `absent` are the numbers of those that exist no more.
    """
    events: list[ev.Event] = [ev.CallerLeft(0)] if caller_left else []
    for n, callee in enumerate(dialing.callees, start=1):
        if n in absent:
            events.append(ev.CalleeDestroyed(n, Cause.NORMAL_CLEARING))
        if n not in callees:
            continue
        if callee not in (Callee.DIALLED, Callee.HANGING_UP):
            events.append(ev.CalleeEnteredStasis(n))
        if callees[n]:
            events.append(ev.CalleeAnswered(n))
    return tuple(events)


def ended(leg: int) -> ev.Event:
    """Return the event of a leg whose channel is no more, for a reason that nobody knows."""
    return ev.CallerLeft(0) if leg == CALLER else ev.CalleeDestroyed(leg, Cause.NORMAL_CLEARING)


def resume(request: DialRequest, *, answered: bool, callees: Mapping[int, bool], now: float) -> Dialing:
    """Return the state of a call that an earlier process started; the events of `missed` then bring it up to date.

    `answered` is whether the caller's DIALSTATUS is ANSWER, `callees` as in `missed`; those that are no targets were
    forwarded to. The timeout restarts.
    """
    up = [n for n, is_up in callees.items() if is_up]
    diversions = tuple(
        Diversion(n, by=1, number="", to="Local/") for n in callees if n > len(request.targets)
    )
    waits = answered or (diversions and request.options.forwards_wait)
    timeout = None if waits else request.timeout
    return Dialing(
        request=request,
        phase=Phase.TALKING if answered else Phase.DIALING,
        diversions=diversions,
        callees=(Callee.DIALLED,) * max(len(request.targets), *callees, 1),
        deadline=None if timeout is None else now + timeout,
        winner=min(up, default=1) if answered else None,
    )
