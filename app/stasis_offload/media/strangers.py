"""What comes to a leg's RTP port from elsewhere than the leg, while the switch carries the call or is to carry it.

It goes to Asterisk as ever, which drops it: strictrtp takes RTP from the source that it has learned alone. So a stranger's packet is
counted, and changes nothing unless Asterisk itself would follow it:

- it has the leg's SSRC, or the leg's source and comes by another way: the leg has moved, or its path has;
- Asterisk, when asked, has another remote address for the leg: it was told to take RTP from anywhere (`strictrtp = no`);
- it is the second one from a source while strictrtp still learns (STRICT_RTP_LEARN in res/res_rtp_asterisk.c). Only the
  leg's own packets keep Asterisk from learning another source then, and the switch would keep these from Asterisk.
"""

from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, relay
from stasis_offload.media.state import Placement, Strangers

# Seconds for which Asterisk learns a source once an address was set: STRICT_RTP_LEARN_TIMEOUT in res/res_rtp_asterisk.c.
STRICT_RTP_LEARNS = 5.0
# Seconds until Asterisk is asked again where a leg is: it may not have read the packet yet. Each question doubles the wait.
_FIRST_WAIT, _LAST_WAIT = 0.05, 5.0
# Seconds without a stranger after which the next one is news.
_NEWS_AFTER = 15.0


def on_packet(placement: Placement, event: ev.GuardTriggered, now: float) -> Step:
    """Count a packet to a leg's RTP port that is not of its forwarded stream; remove the flows if Asterisk would follow it."""
    leg = event.leg
    if is_the_legs(placement, event):
        others = placement.other_sources
        if event.headers:
            others = {**others, leg: event.headers.source}
        return relay(replace(placement, other_sources=others), Reason(ReasonKind.FOREIGN_SOURCE, leg), now)
    before = placement.strangers.get(leg, Strangers())
    source = event.headers.source if event.headers else None
    strangers = before.with_packet(source, now, rtp=event.packet is not None)
    if event.packet is None:  # Asterisk learns no source from what is no RTP
        return _noted(placement, leg, strangers), ()
    if strangers.in_succession > 1 and now < _learned_at(placement):
        return _relay_until_learned(_noted(placement, leg, strangers), leg, now)
    if now - before.at > _NEWS_AFTER:
        strangers = replace(strangers, wait=_FIRST_WAIT, ask_at=now)
    if now < strangers.ask_at:
        return _noted(placement, leg, strangers), ()
    asked = replace(strangers, ask_at=now + strangers.wait, wait=min(2 * strangers.wait, _LAST_WAIT))
    return _noted(placement, leg, asked), (cmd.QueryLegs(),)


def is_the_legs(placement: Placement, event: ev.GuardTriggered) -> bool:
    """Return whether RTP to a leg's port is the leg's own, from elsewhere or by another way."""
    packet = event.packet
    if packet is None or placement.path is None:
        return False
    if packet.headers.source == placement.path.attachment(event.leg).remote:
        return True
    return packet.ssrc == placement.reports[event.leg].ssrc_rx


def with_stranger(placement: Placement, event: ev.PacketObserved, now: float) -> Placement:
    """Count a packet that came to a leg's port from elsewhere while the call is learned.

    One that has the leg's SSRC may say that the leg has moved.
    """
    leg, packet = event.leg, event.packet
    source = packet.headers.source if packet else event.source
    before = placement.strangers.get(leg, Strangers())
    noted = _noted(placement, leg, before.with_packet(source, now, rtp=packet is not None))
    since = {**placement.strangers_observed, leg: placement.strangers_observed.get(leg, 0) + 1}
    noted = replace(noted, strangers_observed=since)
    if packet is None or packet.ssrc != placement.reports[leg].ssrc_rx:
        return noted
    others = {**placement.other_sources, leg: source}
    return replace(noted, other_sources=others, moving=placement.moving | {leg})


def disturbed(placement: Placement, now: float) -> Step | None:
    """Relay a call to whose ports somebody else sends RTP that would return it from the switch; None if nobody does.

    While strictrtp learns one packet is enough: of the next, the application might be told too late.
    """
    for leg in Leg:
        if leg in placement.moving:
            return relay(placement, Reason(ReasonKind.FOREIGN_SOURCE, leg), now)
        last = placement.strangers.get(leg, Strangers())
        # Of a leg behind a NAT, or one that is not symmetric, this source may meanwhile be known.
        own = (placement.reports[leg].remote, placement.observed[leg][0].headers.source)
        if placement.since <= last.at and last.source not in own and now < _learned_at(placement):
            return _relay_until_learned(placement, leg, now)
    return None


def _learned_at(placement: Placement) -> float:
    return placement.addressed_at + STRICT_RTP_LEARNS


def _relay_until_learned(placement: Placement, leg: Leg, now: float) -> Step:
    relayed, commands = relay(placement, Reason(ReasonKind.FOREIGN_SOURCE, leg), now)
    return replace(relayed, deadline=relayed.deadline and _learned_at(placement)), commands


def _noted(placement: Placement, leg: Leg, strangers: Strangers) -> Placement:
    return replace(placement, strangers={**placement.strangers, leg: strangers})
