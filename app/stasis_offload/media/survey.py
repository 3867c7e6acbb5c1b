"""A survey of the calls that Asterisk bridges, whoever bridged them: which the switch could carry, and why it could not the others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stasis_offload.asterisk.leg_report import PARTIES, Glue, LegReport
from stasis_offload.media.eligibility import why_not, why_not_followed
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind

# What a call is told by: its two channels.
CallKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SurveyedCall:
    """A call as it was last seen; `seconds` in all, and those of them in which the switch could have carried it."""

    channels: tuple[str, ...]
    reason: Reason | None
    seconds: float = 0.0
    eligible_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Survey:
    """Every call that was seen, whether or not it has ended."""

    calls: Mapping[CallKey, SurveyedCall] = field(default_factory=dict)

    def seen(self, reports: Iterable[LegReport], *, seconds: float) -> "Survey":
        """Return the survey with one look at all bridges more, `seconds` after the one before it (0 for the first).

        A call counts for the whole time between two looks if the later one finds it.
        """
        calls = dict(self.calls)
        for key, legs in _by_bridge(reports).items():
            before = calls.get(key)
            reason = why_not_moved(legs)
            spent = seconds if before else 0.0
            call = before or SurveyedCall(tuple(leg.channel for leg in legs), reason)
            calls[key] = replace(
                call,
                reason=reason,
                seconds=call.seconds + spent,
                eligible_seconds=call.eligible_seconds + (0.0 if reason else spent),
            )
        return Survey(calls)

    @property
    def eligible(self) -> int:
        """How many calls the switch could carry when they were last seen."""
        return sum(call.reason is None for call in self.calls.values())

    @property
    def seconds(self) -> float:
        """Seconds of all calls."""
        return sum(call.seconds for call in self.calls.values())

    @property
    def eligible_seconds(self) -> float:
        """Seconds in which the switch could have carried them."""
        return sum(call.eligible_seconds for call in self.calls.values())

    def by_reason(self) -> list[tuple[ReasonKind, int, SurveyedCall]]:
        """Return each reason, how many calls have it, and one of them; the most frequent first."""
        against = [(call.reason.kind, call) for call in self.calls.values() if call.reason]
        examples = dict(reversed(against))
        return [
            (kind, count, examples[kind])
            for kind, count in Counter(kind for kind, _ in against).most_common()
        ]


def why_not_moved(legs: tuple[LegReport, ...]) -> Reason | None:
    """Return the reason against a move of the call of a bridge to `OffloadDial()`; None if the switch could carry it.

    The caller is the older channel. Asterisk does not bridge natively where `Dial()` follows the digits of a party (options
    `t`, `k`, …): here it would, and the application follow them. Whose packets pass the switch is not looked at.
    """
    if len(legs) != PARTIES:
        return Reason(ReasonKind.NOT_TWO_PARTIES)
    reports = dict(zip(Leg, legs, strict=True))
    reason = why_not(legs[0], legs[1])
    followed = [leg for leg, report in reports.items() if report.dtmf_hooks]
    if reason and reason.kind is ReasonKind.NOT_NATIVE and followed:
        return why_not_followed(followed, reports, splits=True)
    return reason


def _by_bridge(reports: Iterable[LegReport]) -> dict[CallKey, tuple[LegReport, ...]]:
    """Return the legs of each bridge that has RTP, the oldest first."""
    bridges: dict[str, list[LegReport]] = {}
    for report in reports:
        bridges.setdefault(report.bridge_id, []).append(report)
    calls = {}
    for legs in bridges.values():
        if any(leg.glue is not Glue.NONE for leg in legs):
            ordered = tuple(sorted(legs, key=_age))
            calls[tuple(leg.channel_id for leg in ordered)] = ordered
    return calls


def _age(report: LegReport) -> tuple[float, int, str]:
    """Order channels by their unique ids, `[system-]seconds.number` (main/channel.c), and ids of ARI's clients by name."""
    seconds, _, number = report.channel_id.rpartition("-")[2].partition(".")
    if seconds.isdigit() and number.isdigit():
        return (float(seconds), int(number), "")
    return (float("inf"), 0, report.channel_id)
