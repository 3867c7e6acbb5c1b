"""What the benchmark says of packets it is given, and what its phones say, without a network."""

import json
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.capture import FROM_ASTERISK, FROM_SWITCH, Capture, Packet, Stream
from lab.control import LabError
from stasis_offload.packets import rtcp
from stasis_offload.packets.address import Address
from tests.bench import moves, relaying, report, setups
from tests.bench.costs import Cost, Costs
from tests.bench.generator import ng, sip, talker
from tests.bench.incoming import Incoming
from tests.bench.load import Answers
from tests.bench.moves import Moved, Moving
from tests.bench.programming import Programmed
from tests.bench.quiet import Quiet
from tests.bench.relaying import Relayed, Watched
from tests.bench.rounds import AFXDP, Rounds
from tests.bench.rush import Rush, Waited
from tests.bench.scale import Scale
from tests.bench.setups import SetUp
from tests.support.packets import CALLER, sent_by

HERE, THERE = Address(ip_address("198.18.0.1"), 4000), Address(ip_address("198.18.0.2"), 5000)
SENT = [
    Packet(at=0.02 * number, sequence=number, ttl=FROM_ASTERISK, headers=sent_by(CALLER))
    for number in range(100)
]


def capture_of(arriving: list[Packet], *, ssrc: int = 1) -> Capture:
    """One stream, sent whole, of which this arrived."""
    capture = Capture()
    capture.sent = [Stream(HERE, THERE, 1, packets=SENT)]
    capture.arriving = [Stream(THERE, HERE, ssrc, packets=arriving)]
    return capture


def after(delay: float) -> list[Packet]:
    """Every packet, so many seconds later."""
    return [replace(packet, at=packet.at + delay) for packet in SENT]


def moved(arriving: list[Packet]) -> Moved:
    return moves.judge(capture_of(arriving), Moving(start=0.0, end=10.0, moves=1))


def test_a_stream_that_arrives_as_it_was_sent_has_nothing_to_complain_of() -> None:
    got = moved(after(0.001))
    assert (got.lost, got.duplicated, got.reordered, got.ssrc_changes) == (0, 0, 0, 0)
    assert got.largest_gap_ms == pytest.approx(got.largest_gap_sent_ms) == pytest.approx(20)


def test_each_way_to_hurt_a_stream_is_counted_as_what_it_is() -> None:
    packets = after(0.001)
    assert moved([*packets[:50], *packets[51:]]).lost == 1
    assert moved([*packets[:50], *packets[49:]]).duplicated == 1
    by_switch = [replace(packet, ttl=FROM_SWITCH) for packet in packets]
    late = moved([*packets[:49], by_switch[50], packets[49], *by_switch[51:]])
    assert (late.lost, late.reordered, late.reordered_at_cutover) == (0, 1, 1)
    early = moved([*by_switch[:49], packets[50], by_switch[49], *packets[51:]])
    assert (early.reordered, early.reordered_at_cutover) == (1, 0)
    assert moved([*packets[:50], *packets[60:]]).largest_gap_ms == pytest.approx(220)


def test_a_stream_that_goes_on_under_another_ssrc_is_a_change_of_ssrc() -> None:
    capture = capture_of(after(0.001)[:50])
    capture.arriving.append(Stream(THERE, HERE, 2, packets=after(0.001)[50:]))
    assert moves.judge(capture, Moving(start=0.0, end=10.0, moves=1)).ssrc_changes == 1


def test_latency_and_jitter_are_those_of_the_relay_and_not_of_the_sender() -> None:
    watched = Watched(start=0.0, end=2.0, cpu_ms={"asterisk": 50.0, relaying.SOFTIRQ: 25.0})
    even = relaying.judge(capture_of(after(0.001)), watched, streams=1)
    assert (even.latency_us_p50, even.latency_us_p99) == pytest.approx((1000, 1000))
    assert even.jitter_us == pytest.approx(0, abs=1e-3)
    assert even.cpu == {"asterisk": 500.0, "softirq": 250.0}
    assert even.cpu_total == 750.0
    uneven = [replace(p, at=p.at + 0.001 * (1 + p.sequence % 2)) for p in SENT]
    assert 800 < relaying.judge(capture_of(uneven), watched, streams=1).jitter_us < 1000


def test_a_load_that_was_not_relayed_says_nothing_about_the_relay() -> None:
    watched = Watched(start=0.0, end=2.0, cpu_ms={})
    with pytest.raises(LabError, match="only 40 of 100 packets"):
        relaying.judge(capture_of(after(0.001)[:40]), watched, streams=1)


def test_the_log_tells_when_the_flows_of_each_call_were_first_confirmed() -> None:
    lines = [
        {"event": "call.new", "call": "1.0", "number": "1007"},
        {"event": "media.learning", "call": "1.0", "timestamp": "1970-01-01T00:00:01.250000Z"},
        {"event": "flows.installed", "call": "1.0", "timestamp": "1970-01-01T00:00:01.500000Z"},
        {"event": "flows.installed", "call": "1.0", "timestamp": "1970-01-01T00:00:09.000000Z"},
        {"event": "flows.installed", "call": "of another", "timestamp": "1970-01-01T00:00:01.000000Z"},
    ]
    log = "not JSON\n" + "".join(json.dumps(line) + "\n" for line in lines)
    assert setups.first_times(log, "flows.installed") == {1007: 1.5}
    assert setups.first_times(log, "media.learning") == {1007: 1.25}


def test_the_report_has_every_figure_and_says_which_goals_are_met() -> None:
    programmed = Programmed(installed=5000, removed=6000, seed_installed=50, seed_removed=50)
    relayed = Relayed(
        packets=1, latency_us_p50=2, latency_us_p99=3, jitter_us=4, cpu={"asterisk": 5, "softirq": 6}
    )
    results = report.Results(
        moved=Moved(1000, 0, 0, 1, 1, 0, 25.0, 21.0),
        set_up={10: SetUp(calls=120, missed=0, p50=4.0, p99=26.0, learning_p50=1.0)},
        programmed=programmed,
        rounds=Rounds({"asterisk": [relayed]}, {AFXDP: "it does not work here"}),
        quiet={
            calls: Quiet(
                calls, cpu_ms_per_s=12.0, translations_per_s=750.4, setup_ms=ms, setup_translations=99.6
            )
            for calls, ms in ((25, 2.0), (300, 3.0), (1000, 5.0))
        },
        scale={
            1000: Scale(
                1000,
                adoption_s=1.75,
                adoption_cpu_s=1.5,
                carried_s=20.0,
                cpu_percent=2.5,
                memory_mib=120.0,
                delay_ms=9.0,
                variables_per_s=100.0,
            )
        },
        costs=Costs(
            dial=Cost({"asterisk": 10.0, "application": 0.0}, {"asterisk": 3.0, "application": 0.0}),
            ours=Cost({"asterisk": 11.0, "application": 9.0}, {"asterisk": 0.25, "application": 0.25}),
        ),
        rush={
            50: Rush(
                50,
                dial=Waited.of([Answers(answered_ms=[20.0, 10.0, 30.0], failed=[])]),
                ours=Waited.of([Answers(answered_ms=[20.0, 30.0], failed=["one"]), Answers([45.0], [])]),
                carried=0.4,
                handed_over=0.25,
                calm_s=1.5,
            )
        },
        incoming=Incoming(200, cpu_percent=60.0, first_half_ms=50.0, second_half_ms=250.0, carried=7),
        load_average=0.5,
    )
    written = report.as_json(results)
    assert written["flows_ratio"] == 100
    quiet = {"cpu_ms_per_s": 12, "translations_per_s": 750, "setup_ms": 3, "setup_translations": 100}
    assert written["quiet"]["300"] == quiet
    assert written["latency_us"] == {"asterisk": 2}
    assert written["cpu_ms_per_1000_packets"] == {"asterisk": 11}
    assert written["pays_back_after_s"] == 4
    assert written["call_ms"]["ours"]["setup"] == {"asterisk": 11, "application": 9}
    rush = written["rush"]["50"]
    assert (rush["answered_ms_p50"], rush["dial_ms_p50"], rush["handed_over"]) == (30, 20, 0.25)
    assert written["rush_p95_ratio"] == 1.5
    assert written["lacking"] == {AFXDP: "it does not work here"}
    missed = {key for key, goal in written["goals"].items() if not goal["met"]}
    assert missed == {
        "reordered",
        "setup_ms_p99",
        "quiet_setup_growth",
        "rush_p95_ratio",
        "rush_failed",
        "incoming_ms_p95",
    }
    assert set(written["goals"]) <= set(written)


def test_relays_are_compared_round_by_round() -> None:
    """A round in which the machine was busy is as busy for each, and of each relay one round is shown."""

    def taking(*ms: float) -> list[Relayed]:
        return [Relayed(1, 2, 3, 4, cpu={"asterisk": it, "softirq": it}) for it in ms]

    rounds = Rounds({"rtpengine": taking(10, 40, 12), AFXDP: taking(8, 30, 6)}, {})
    assert rounds.ratio(AFXDP, "rtpengine") == pytest.approx(0.75)
    assert {name: it.cpu_total for name, it in rounds.middle.items()} == {"rtpengine": 24, AFXDP: 16}


VALUES = st.recursive(
    st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_bencoding_reads_back_what_it_wrote(value: ng.Value) -> None:
    assert ng.decode(ng.encode(value) + b"rest") == (value, b"rest")


def test_a_command_is_bencoded_as_rtpengine_reads_it() -> None:
    command: ng.Value = {"command": "offer", "call-id": "é", "flags": ["a", 7]}
    assert ng.encode(command) == b"d7:call-id2:\xc3\xa97:command5:offer5:flagsl1:ai7eee"


def test_a_phone_answers_a_call_with_what_the_caller_needs_to_go_on() -> None:
    here = ("198.18.0.1", 5070)
    invited = sip.invite("sip:load-7@198.18.0.2", call_id="id", caller="7", here=here, media=(here[0], 10000))
    read = sip.parse(bytes(invited))
    assert (read.method, read.user, read.status) == ("INVITE", "load-7", None)
    assert sip.media_of(read.body) == ("198.18.0.1", 10000)
    answered = sip.parse(
        bytes(sip.answer(read, "200 OK", contact="sip:x@h:1", tag="t", media=("198.18.0.2", 20000)))
    )
    assert answered.status == 200
    assert answered.headers["to"] == "<sip:load-7@198.18.0.2>;tag=t"
    assert {name: answered.headers[name] for name in ("via", "from", "call-id", "cseq")} == {
        name: invited.headers[name] for name in ("via", "from", "call-id", "cseq")
    }
    ack = sip.within(invited, answered, "ACK", here=here)
    assert (ack.start, ack.headers["cseq"]) == ("ACK sip:x@h:1 SIP/2.0", "1 ACK")
    assert ack.headers["to"] == answered.headers["to"]
    bye = sip.within(invited, answered, "BYE", here=here)
    assert bye.headers["cseq"] == "2 BYE"
    assert bye.headers["via"] != ack.headers["via"]


def test_a_phone_at_an_ipv6_address_writes_it_as_uris_and_media_have_it() -> None:
    here = ("fd00::1", 5070)
    assert sip.uri_of("7", here) == "sip:7@[fd00::1]:5070"
    invited = sip.invite("sip:7@[fd00::2]", call_id="id", caller="7", here=here, media=(here[0], 10000))
    assert invited.headers["via"].startswith("SIP/2.0/UDP [fd00::1]:5070;")
    assert invited.headers["from"].startswith("<sip:7@[fd00::1]>")
    assert "c=IN IP6 fd00::1\r\n" in invited.body
    assert sip.media_of(invited.body) == ("fd00::1", 10000)


def test_the_rtcp_of_a_phone_is_a_whole_report_of_its_stream() -> None:
    report = talker.sender_report(7, packets=100)
    assert rtcp.reporters(report) == {7}
    assert rtcp.cname_of(report) == b"bench"
    assert len(rtcp.parse_rtcp(report)) == 1
