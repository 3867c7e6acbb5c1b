"""A call's quality from RTCP and samples as they pass a switch: right figures, or none."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.emodel import IMPAIRMENTS, mos, rating
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import LegQuality, Quality
from stasis_offload.media.reception import Stream
from stasis_offload.packets.rtcp import Bye, Packet, ReceiverReport, ReportBlock, SenderReport
from tests.support.strategies import UINT16, UINT32
from tests.unit.packets.test_rtcp import PACKETS

CALLER, CALLEE = Leg.CALLER, Leg.CALLEE
NOTHING = Quality()

# What the callee is sent.
STREAM = Stream(ssrc=0xCAFE, codec="ulaw", ptime=20)
BLOCK = ReportBlock(
    ssrc=STREAM.ssrc,
    fraction_lost=0.0,
    cumulative_lost=0,
    highest_sequence=1000,
    jitter=0,
    last_sr=0,
    delay_since_last_sr=0,
)
NTP = 0xAAAA_1234_5678_BBBB
SHORT_NTP = 0x1234_5678


def report(**fields: Any) -> ReceiverReport:
    return ReceiverReport(ssrc=0xBEEF, blocks=(replace(BLOCK, **fields),))


def heard(*reports: ReceiverReport, stream: Stream = STREAM, quality: Quality = NOTHING) -> Quality:
    """Return what is known after the callee's reports, 5 s apart."""
    for number, one in enumerate(reports):
        quality = quality.with_rtcp(CALLEE, [one], stream=stream, now=100.0 + 5 * number)
    return quality


def sender_report(ssrc: int = STREAM.ssrc, *, ntp: int = NTP) -> SenderReport:
    return SenderReport(ssrc=ssrc, ntp=ntp, rtp_timestamp=0, packets=0, octets=0, blocks=())


def test_nothing_is_known_without_rtcp_and_samples() -> None:
    quality = NOTHING.with_rtcp(CALLER, [sender_report(), Bye(ssrcs=(1,))], stream=STREAM, now=1.0)
    assert [quality.of(leg) for leg in Leg] == [LegQuality(), LegQuality()]
    assert LegQuality().variable() == ""


def test_a_first_report_tells_the_loss_of_its_own_interval() -> None:
    got = heard(report(fraction_lost=0.125, cumulative_lost=70)).of(CALLEE)
    assert (got.loss, got.recent_loss) == (0.125, 0.125)


def test_further_reports_tell_the_loss_since_the_first() -> None:
    got = heard(
        report(cumulative_lost=10, highest_sequence=1000),
        report(cumulative_lost=15, highest_sequence=1250, fraction_lost=5 / 256),
        report(cumulative_lost=15, highest_sequence=1500),
    ).of(CALLEE)
    assert (got.loss, got.recent_loss) == (5 / 500, 0.0)


def test_a_report_of_reception_that_began_anew_keeps_what_was_counted() -> None:
    got = heard(
        report(cumulative_lost=0, highest_sequence=40_000),
        report(cumulative_lost=25, highest_sequence=40_250),
        report(cumulative_lost=0, highest_sequence=100),
        report(cumulative_lost=0, highest_sequence=350),
    ).of(CALLEE)
    assert got.loss == 25 / 500


def test_a_first_report_before_anything_came_does_not_make_later_loss_small() -> None:
    got = heard(
        report(cumulative_lost=0, highest_sequence=0),
        report(cumulative_lost=0, highest_sequence=50_000),
        report(cumulative_lost=50, highest_sequence=50_250),
    ).of(CALLEE)
    assert got.loss == 50 / 250


def test_a_new_stream_keeps_what_was_counted() -> None:
    before = heard(
        report(cumulative_lost=0, highest_sequence=1000), report(cumulative_lost=10, highest_sequence=1250)
    )
    new = replace(STREAM, ssrc=0xD00D)
    after = heard(
        report(ssrc=new.ssrc, cumulative_lost=13, highest_sequence=1300),
        report(ssrc=new.ssrc, cumulative_lost=13, highest_sequence=1550),
        stream=new,
        quality=before,
    )
    assert after.of(CALLEE).loss == 10 / 500


def test_the_extended_sequence_may_wrap() -> None:
    got = heard(
        report(cumulative_lost=0, highest_sequence=0xFFFF_FF00),
        report(cumulative_lost=16, highest_sequence=0x0000_0000),
    ).of(CALLEE)
    assert got.loss == 16 / 256


def test_duplicates_and_late_packets_are_no_negative_loss() -> None:
    got = heard(
        report(cumulative_lost=0, highest_sequence=1000), report(cumulative_lost=-30, highest_sequence=1250)
    ).of(CALLEE)
    assert got.loss == 0.0


def test_a_report_about_another_stream_is_ignored() -> None:
    assert heard(report(ssrc=0xD00D, fraction_lost=0.5)) == NOTHING


def test_a_leg_is_told_apart_from_the_other() -> None:
    quality = heard(report(fraction_lost=0.5))
    assert quality.of(CALLER) == LegQuality()
    quality = quality.with_rtcp(CALLER, [report(ssrc=1)], stream=Stream(ssrc=1, codec="ulaw"), now=101.0)
    assert (quality.of(CALLER).loss, quality.of(CALLEE).loss) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("codec", "jitter_ms"),
    [
        ("ulaw", 20.0),
        ("g722", 20.0),
        ("slin16", 10.0),
        ("opus", 160 / 48),
        ("unheard-of", None),
    ],
)
def test_jitter_is_by_the_codecs_rtp_clock(codec: str, jitter_ms: float | None) -> None:
    got = heard(report(jitter=160), stream=replace(STREAM, codec=codec)).of(CALLEE)
    assert got.jitter_ms == jitter_ms


@pytest.mark.parametrize("codec", ["unheard-of", "opus", "g722", "gsm", "ilbc", "slin"])
def test_a_codec_without_published_figures_has_no_score(codec: str) -> None:
    assert heard(report(), stream=replace(STREAM, codec=codec)).of(CALLEE).mos is None


def round_trip(*, last_sr: int = SHORT_NTP, ssrc: int = STREAM.ssrc, passed: float) -> float | None:
    """Return the RTT when the callee answers after half a second, `passed` after the caller's SR."""
    quality = NOTHING.with_rtcp(CALLER, [sender_report(ssrc)], stream=Stream(ssrc=1, codec="ulaw"), now=100.0)
    answer = report(last_sr=last_sr, delay_since_last_sr=0x8000)
    return quality.with_rtcp(CALLEE, [answer], stream=STREAM, now=100.0 + passed).of(CALLEE).rtt_ms


def test_the_round_trip_is_from_the_switch_to_the_leg_and_back() -> None:
    assert round_trip(passed=0.53) == pytest.approx(30.0)


@pytest.mark.parametrize(
    "odd",
    [
        {"passed": 0.49},
        {"passed": 6.0},
        {"passed": 0.53, "last_sr": 0},
        {"passed": 0.53, "last_sr": SHORT_NTP - 1},
        {"passed": 0.53, "ssrc": 0xD00D},
    ],
)
def test_what_cannot_be_a_round_trip_is_none(odd: dict[str, Any]) -> None:
    assert round_trip(**odd) is None


def test_a_sender_without_a_clock_tells_no_round_trip() -> None:
    quality = NOTHING.with_rtcp(CALLER, [sender_report(ntp=0)], stream=Stream(ssrc=1, codec="ulaw"), now=99.9)
    assert heard(report(last_sr=0), quality=quality).of(CALLEE).rtt_ms is None


def test_a_round_trip_stays_known_when_a_later_report_does_not_tell_it() -> None:
    quality = NOTHING.with_rtcp(CALLER, [sender_report()], stream=Stream(ssrc=1, codec="ulaw"), now=99.95)
    quality = heard(report(last_sr=SHORT_NTP), report(last_sr=1), quality=quality)
    assert quality.of(CALLEE).rtt_ms == pytest.approx(50.0)


def test_the_score_counts_loss_both_round_trips_the_jitter_buffer_and_a_packet() -> None:
    quality = NOTHING.with_rtcp(CALLER, [sender_report()], stream=Stream(ssrc=1, codec="ulaw"), now=99.9)
    quality = heard(
        report(last_sr=SHORT_NTP),
        report(cumulative_lost=5, highest_sequence=1250, jitter=80, last_sr=SHORT_NTP),
        stream=replace(STREAM, ptime=30),
        quality=quality,
    )
    quality = quality.with_rtcp(CALLEE, [sender_report(0xBEEF)], stream=STREAM, now=110.0)
    back = report(ssrc=0xBEEF, last_sr=SHORT_NTP)
    quality = quality.with_rtcp(CALLER, [back], stream=Stream(ssrc=0xBEEF, codec="ulaw"), now=110.04)
    # 100 ms and 40 ms round trip, twice 10 ms of jitter, 30 ms a packet.
    expected = mos(rating(IMPAIRMENTS["ulaw"], loss=5 / 250, delay_ms=70 + 20 + 30))
    assert quality.of(CALLEE).mos == pytest.approx(expected)


def test_a_packet_time_that_is_not_known_is_taken_as_20_ms() -> None:
    assert heard(report(), stream=replace(STREAM, ptime=0)) != heard(report())
    assert heard(report(), stream=replace(STREAM, ptime=0)).of(CALLEE) == heard(report()).of(CALLEE)


def sampled(*samples: tuple[int, int], quality: Quality = NOTHING, ssrc: int = 7) -> Quality:
    for sequence, packets in samples:
        quality = quality.with_rtp_sample(CALLER, ssrc=ssrc, sequence=sequence & 0xFFFF, packets=packets)
    return quality


def test_loss_before_the_switch_is_what_the_sequence_grew_more_than_the_count() -> None:
    quality = sampled((100, 0), (1700, 1568), (4100, 3920))
    assert quality.of(CALLER).upstream_loss == 80 / 4000
    assert quality.of(CALLEE) == LegQuality()


def test_loss_before_the_switch_is_unknown_until_the_counters_lag_is_small_against_it() -> None:
    assert sampled((0, 0), (2999, 2974)).of(CALLER).upstream_loss is None
    assert sampled((0, 0), (3000, 2975)).of(CALLER).upstream_loss == 25 / 3000


def test_a_counter_that_lagged_at_first_is_no_negative_loss() -> None:
    assert sampled((0, 0), (4000, 4025)).of(CALLER).upstream_loss == 0.0


@given(
    start=UINT16,
    first=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 99))),
)
def test_any_wraps_between_samples_change_nothing(
    start: int, first: int, steps: list[tuple[int, int]]
) -> None:
    sequence, packets, samples = start, first, [(start, first)]
    for arrived, lost in steps:
        sequence, packets = sequence + arrived + lost, packets + arrived
        samples.append((sequence, packets))
    expected, lost = sequence - start, sum(lost for _, lost in steps)
    got = sampled(*samples).of(CALLER).upstream_loss
    assert got == (lost / expected if expected >= 3000 else None)


def test_heavy_loss_is_loss_and_not_a_new_sequence() -> None:
    assert sampled((0, 0), (5000, 2500)).of(CALLER).upstream_loss == 0.5
    assert sampled((0, 0), (50_000, 30_000)).of(CALLER).upstream_loss == 0.4


@pytest.mark.parametrize(
    "anew",
    [
        lambda quality: sampled((5, 10), (4005, 4010), quality=quality.with_return()),
        lambda quality: sampled((5, 10), (4005, 4010), quality=quality),
        lambda quality: sampled((4080, 4000), (8080, 8000), quality=quality, ssrc=8),
        lambda quality: sampled((40_000, 4100), (44_000, 8100), quality=quality),
    ],
    ids=["a new stay", "a flow added anew", "a new SSRC", "a jump of the sequence"],
)
def test_what_begins_anew_keeps_the_loss_before(anew: object) -> None:
    before = sampled((0, 0), (4000, 3920))
    assert callable(anew)
    assert anew(before).of(CALLER).upstream_loss == 80 / 8000


def test_a_stay_too_short_to_tell_counts_for_nothing() -> None:
    quality = sampled((0, 0), (4000, 3920)).with_return()
    quality = sampled((0, 0), (1000, 900), quality=quality).with_return()
    assert quality.of(CALLER).upstream_loss == 80 / 4000


def test_the_variable_leaves_out_what_is_not_known() -> None:
    everything = LegQuality(
        loss=0.00123, recent_loss=0.5, jitter_ms=1.24, rtt_ms=12.3, mos=4.384, upstream_loss=0.02
    )
    assert everything.variable() == "mos=4.38;loss=0.12;jitter_ms=1.2;rtt_ms=12;upstream_loss=2.00"
    assert replace(everything, mos=None, rtt_ms=None, upstream_loss=None).variable() == (
        "loss=0.12;jitter_ms=1.2"
    )
    assert LegQuality(loss=0.0).variable() == "loss=0.00"


LEGS = st.sampled_from(Leg)
STREAMS = st.builds(
    Stream,
    ssrc=st.integers(0, 2),
    codec=st.sampled_from(["ulaw", "g729", "opus", "?"]),
    ptime=st.integers(0, 60),
)
STEPS = st.one_of(
    st.tuples(st.just("heard"), LEGS, st.lists(PACKETS, max_size=3), STREAMS),
    st.tuples(st.just("sampled"), LEGS, st.integers(0, 2), st.tuples(UINT16, UINT32)),
    st.just(("with_return", None, None, None)),
)


def about(packets: list[Packet], ssrc: int) -> list[Packet]:
    """Make packets tell of a stream, so that they are not ignored."""
    return [
        packet
        if isinstance(packet, Bye)
        else replace(packet, blocks=tuple(replace(block, ssrc=ssrc) for block in packet.blocks))
        for packet in packets
    ]


@given(st.lists(STEPS, max_size=12))
def test_whatever_is_reported_and_sampled_every_figure_stays_on_its_scale(
    steps: list[tuple[Any, ...]],
) -> None:
    quality = NOTHING
    for now, (what, leg, first, second) in enumerate(steps):
        match what:
            case "heard":
                quality = quality.with_rtcp(leg, about(first, second.ssrc), stream=second, now=float(now))
            case "sampled":
                sequence, packets = second
                quality = quality.with_rtp_sample(leg, ssrc=first, sequence=sequence, packets=packets)
            case "with_return":
                quality = quality.with_return()
        for got in map(quality.of, Leg):
            for fraction in (got.loss, got.recent_loss, got.upstream_loss):
                assert fraction is None or 0 <= fraction <= 1
            assert got.mos is None or 1 <= got.mos <= 4.5
            assert got.rtt_ms is None or 0 <= got.rtt_ms <= 5000
            assert got.jitter_ms is None or got.jitter_ms >= 0
            assert got.variable() or got == LegQuality()
