"""The start of learning, and a new start of it when what was observed counts no more."""

from collections.abc import Mapping
from dataclasses import replace

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.awaiting_native import await_native
from stasis_offload.media.eligibility import addresses_in
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step
from stasis_offload.media.state import Phase, Placement


def start_learning(
    placement: Placement, reports: Mapping[Leg, LegReport], now: float, *, soon: bool = False
) -> Step:
    """Start or restart learning from Asterisk's reports; `soon` is whether Asterisk has yet to bridge natively."""
    addresses = addresses_in(reports)
    learning = replace(
        placement,
        addresses=addresses,
        addressed_at=placement.addressed_at if addresses == placement.addresses else now,
        phase=Phase.LEARNING,
        reason=Reason(ReasonKind.NO_MEDIA),
        since=now,
        deadline=now + placement.tuning.verify_within,
        reports=reports,
        observed={},
        unobserved=reports,
        shown_elsewhere={},
        strangers_observed={},
        moving=frozenset(),
        relayed_packets={},
        last_packets={},
        silent=frozenset(),
        cnames={},
    )
    return await_native(learning, now) if soon else learning, (learning.set_flows(),)
