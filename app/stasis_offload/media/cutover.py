"""The moment of a cutover, and the path that comes of what was observed."""

from dataclasses import replace

from stasis_offload.media.eligibility import differ_in_digits, of_both
from stasis_offload.media.path import Attachment, Leg, MediaPath
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, relay
from stasis_offload.media.sizes import least_audio
from stasis_offload.media.state import Phase, Placement

# Seconds after the last packet of each leg within which a cutover may begin. The rest of the usual 20 ms between two
# packets is for the switch to install the flows in. However the packets of two legs follow each other, one of the two
# gaps between them is half of it or longer.
CUTOVER_WINDOW = 0.014
# Seconds within which the switch must answer just before the cutover: a busy one would install the flows too late.
CUTOVER_PROBE = 0.003
# After so many later answers the switch is not asked any more, but cut over to at the next moment: it is busy, or far away, so
# that more packets pass before each answer. A call that is learned for long costs more than a late packet.
MAX_LATE_ANSWERS = 2
# Multiples of `verify_within` after which there was no moment.
_GIVE_UP_AFTER = 4


def cut_over(placement: Placement, now: float) -> Step:
    """Move the media into the switch; relay a call whose digits need Asterisk and cannot be told by their size."""
    path = MediaPath(caller=_attachment(placement, Leg.CALLER), callee=_attachment(placement, Leg.CALLEE))
    caller, callee = placement.reports[Leg.CALLER], placement.reports[Leg.CALLEE]
    if differ_in_digits(caller, callee) and not (path.caller.least and path.callee.least):
        return relay(placement, of_both(ReasonKind.EVENT_PT, caller, callee), now)
    unseen = next((leg for leg in placement.featured if not path.attachment(leg).least), None)
    if unseen:
        return relay(placement, Reason(ReasonKind.DTMF_UNSEEN, unseen), now)
    offloaded = replace(
        placement,
        phase=Phase.UNVERIFIED,
        reason=None,
        since=now,
        deadline=now + placement.tuning.verify_within,
        path=path,
        unsampled=frozenset(Leg),
        unverified=frozenset(Leg),
        observed={},
        rtcp_at={},
        silent=frozenset(),
    )
    return offloaded, (offloaded.set_flows(),)


def _attachment(placement: Placement, leg: Leg) -> Attachment:
    """Return how a leg is attached: by its own packet, and by what Asterisk sent it of the other leg's."""
    packet, _ = placement.observed[leg]
    report, least = placement.reports[leg], 0
    # Not with a tag: the datapaths differ in whether it counts.
    if placement.splits and packet.headers.tag is None:
        is_audio = packet.payload_type == report.audio_pt_rx
        least = least_audio(report.format_rx, packet.size if is_audio else 0)
    received = placement.relayed_packets[leg.other].headers
    return Attachment(sent=packet.headers, received=received, least=least)


def await_cutover(placement: Placement, now: float) -> Placement:
    """Look for the moment to cut over: at once, when all that was mirrored meanwhile is processed, or after a while."""
    wait = placement.tuning.verify_within
    waits = (now - placement.cutting_over_since) // wait + 1
    deadline = now if may_cut_over(placement, now) else placement.cutting_over_since + waits * wait
    return replace(placement, probed=False, deadline=deadline)


def may_cut_over(placement: Placement, now: float) -> bool:
    """Return whether Asterisk has relayed the last packet of each leg that is not silent, and no further one is due yet.

    One that followed its schedule is due a packet time after this one was, however late this one came. Where no moment
    is good for long, because packets come without a rhythm or the machine is busy, any will do.
    """
    if leg_behind(placement):
        return False
    if is_overdue(placement, now):
        return True
    due = (_due(placement, leg) for leg in Leg if leg not in placement.silent)
    return now - min(due, default=now) <= CUTOVER_WINDOW


def is_overdue(placement: Placement, now: float) -> bool:
    """Return whether a moment has been waited for so long that Asterisk should have relayed something of each leg."""
    return now >= placement.cutting_over_since + placement.tuning.verify_within


def gives_up(placement: Placement, now: float) -> bool:
    """Return whether it is no use to wait for a moment any longer."""
    return now >= placement.cutting_over_since + _GIVE_UP_AFTER * placement.tuning.verify_within


def leg_behind(placement: Placement) -> Leg | None:
    """Return a leg whose last packet Asterisk has yet to relay; None if there is none."""
    return next((leg for leg in Leg if leg not in placement.silent and not _is_relayed(placement, leg)), None)


def _is_relayed(placement: Placement, leg: Leg) -> bool:
    (packet, _), relayed = placement.observed[leg], placement.relayed_packets.get(leg)
    return relayed is not None and (relayed.ssrc, relayed.sequence) == (packet.ssrc, packet.sequence)


def _due(placement: Placement, leg: Leg) -> float:
    """Return when the last packet of a leg was due."""
    packet, at = placement.observed[leg]
    schedule = placement.schedules.get(leg)
    punctual = schedule.arrival(packet) if schedule else None
    return at if punctual is None else punctual
