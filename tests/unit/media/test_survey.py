"""What a survey says of calls that anybody bridged."""

from dataclasses import replace

from stasis_offload.asterisk.leg_report import Glue, LegReport
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.survey import Survey, why_not_moved
from tests.support.leg_reports import CALLEE, CALLER

PLAIN = (CALLER, CALLEE)
_SECONDS = 5.0


def of_bridge(name: str, *legs: LegReport) -> tuple[LegReport, ...]:
    return tuple(replace(leg, bridge_id=name, channel_id=f"{name}-{leg.channel_id}") for leg in legs)


def with_hooks(leg: LegReport) -> LegReport:
    """Return a leg of a call whose digits Dial() follows, as with its option t."""
    return replace(leg, dtmf_hooks=True, bridge_technology="simple_bridge", local_bridge=False)


def test_a_call_that_asterisk_bridges_natively_could_be_carried() -> None:
    assert why_not_moved(PLAIN) is None


def test_a_call_whose_digits_dial_follows_could_be_carried_if_the_switch_shows_them() -> None:
    legs = (with_hooks(CALLER), replace(CALLEE, bridge_technology="simple_bridge", local_bridge=False))
    assert why_not_moved(legs) is None
    unseen = (
        replace(legs[0], format_rx="opus", format_tx="opus"),
        replace(legs[1], format_rx="opus", format_tx="opus"),
    )
    assert why_not_moved(unseen) == Reason(ReasonKind.DTMF_UNSEEN, Leg.CALLER)


def test_a_bridge_that_is_not_native_for_another_reason_could_not() -> None:
    legs = tuple(replace(leg, bridge_technology="softmix", local_bridge=False) for leg in PLAIN)
    assert why_not_moved(legs) == Reason(ReasonKind.NOT_NATIVE)


def test_a_conference_is_one_call_of_more_than_two_parties() -> None:
    third = replace(CALLEE, channel_id="1700000000.3", bridge_channels=3)
    survey = Survey().seen((CALLER, CALLEE, third), seconds=0)
    [call] = survey.calls.values()
    assert (call.reason, len(call.channels)) == (Reason(ReasonKind.NOT_TWO_PARTIES), 3)


def test_the_caller_is_the_older_channel() -> None:
    younger = replace(CALLEE, channel_id="node-1700000000.10", channel="PJSIP/callee", hold=True)
    older = replace(CALLER, channel_id="node-1700000000.9", channel="PJSIP/caller")
    [call] = Survey().seen((younger, older), seconds=0).calls.values()
    assert call.channels == ("PJSIP/caller", "PJSIP/callee")
    assert call.reason == Reason(ReasonKind.HOLD, Leg.CALLEE)


def test_a_bridge_without_rtp_is_no_call() -> None:
    assert Survey().seen((replace(CALLER, glue=Glue.NONE),), seconds=0) == Survey()


def test_a_call_counts_for_as_long_as_it_was_seen_and_its_share_while_it_could_be_carried() -> None:
    held = (replace(CALLER, hold=True), CALLEE)
    survey = Survey()
    for legs in (PLAIN, PLAIN, held, (), PLAIN):
        survey = survey.seen(legs, seconds=_SECONDS)
    assert (survey.seconds, survey.eligible_seconds, survey.eligible) == (3 * _SECONDS, 2 * _SECONDS, 1)


def test_what_has_ended_stays_with_its_last_reason() -> None:
    survey = Survey().seen((replace(CALLER, hold=True), CALLEE), seconds=0).seen((), seconds=_SECONDS)
    [(kind, count, call)] = survey.by_reason()
    assert (kind, count, call.channels) == (ReasonKind.HOLD, 1, (CALLER.channel, CALLEE.channel))


def test_the_most_frequent_reason_comes_first_with_one_of_its_calls() -> None:
    reports = (
        *of_bridge("a", replace(CALLER, ice=True), CALLEE),
        *of_bridge("b", replace(CALLER, hold=True), CALLEE),
        *of_bridge("c", replace(CALLER, hold=True), CALLEE),
        *of_bridge("d", *PLAIN),
    )
    survey = Survey().seen(reports, seconds=0)
    assert (len(survey.calls), survey.eligible) == (4, 1)
    assert [(kind, count) for kind, count, _ in survey.by_reason()] == [
        (ReasonKind.HOLD, 2),
        (ReasonKind.ICE, 1),
    ]
