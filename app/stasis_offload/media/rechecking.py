"""Asterisk's reports on an offloaded call: what is still as agreed keeps the media in the switch.

Asterisk rebuilds a bridge after any re-INVITE, even one that refreshes the session or tells a name. The last thing
that it does then is to set BRIDGEPEER (bridge_reconfigured in main/bridge.c), after it has chosen the bridge's
technology under the bridge's lock. What an SDP changes is done before that: for the offer and again for the answer, the
address and the formats are set, then the channel is marked to have its bridge rebuilt (set_caps in
res/res_pjsip_sdp_rtp.c); a mark that is set during a rebuilding causes another one. So a query that follows the last
BRIDGEPEER needs no second look. What comes after the mark has events of its own: a hold (ast_queue_hold in
main/channel.c).
"""

from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import is_other_media
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, reclaim, relay, why_not_now
from stasis_offload.media.state import Placement
from stasis_offload.media.unheard import without

# Seconds to wait for the report on a bridge that was rebuilt: it takes a millisecond, and a few more on a busy machine. A
# party that has moved still receives for so long where it was (RFC 3264 8.3.1), but who begins to record misses it.
CHECK_WITHIN = 0.1
LATE = Reason(
    ReasonKind.CALL_CHANGED, detail=f"Asterisk did not say within {CHECK_WITHIN:g} s what has changed"
)


def on_call_changed(placement: Placement, _event: ev.BridgeChanged, now: float) -> Step:
    """Remove the flows, and only then query the legs."""
    return reclaim(placement, now, signalled=True)


def check_legs(placement: Placement, _event: ev.BridgeRebuilt, now: float) -> Step:
    """Query the legs at once while the flows stay: a refresh of a session changes nothing.

    Yet Asterisk may learn the source of a leg anew, if that is not the address of the SDP (strangers.py).
    """
    return replace(placement, addressed_at=now), (cmd.CheckLegs(CHECK_WITHIN),)


def on_legs_checked(placement: Placement, event: ev.LegsChecked, now: float) -> Step:
    """Remove the flows, and query the legs again, unless the report came in time and all is as before."""
    reason = _why_changed(placement, event.report, now) if event.report else LATE
    if reason:
        return reclaim(placement, now, reason, signalled=True)
    return without(placement, ReasonKind.MODULE_UNREACHABLE), ()


def check_report(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Remove the flows of a call that is no longer eligible, or whose addresses or payload types changed."""
    reason = _why_changed(placement, event, now)
    if reason:
        return relay(placement, reason, now)
    return replace(without(placement, ReasonKind.MODULE_UNREACHABLE), reports=event.by_leg), ()


def _why_changed(placement: Placement, event: ev.LegsReported, now: float) -> Reason | None:
    reason = why_not_now(placement, event, now)
    if reason is None and is_other_media(placement.reports, event.by_leg):
        return Reason(ReasonKind.CALL_CHANGED)
    return reason
