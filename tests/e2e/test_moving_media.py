"""A call's media moves into the switch and back, and its endpoints receive every packet of it once, in order."""

import time

import pytest

from lab import control
from lab.capture import captured
from lab.control import wait_until
from lab.place import BRIDGE
from tests.support.observed import FLOWS, assert_all_whole, logged


def offloaded(count: int) -> bool:
    calls = control.calls()
    return len(calls) == count and all(call["state"] == "offloaded" for call in calls)


def relayed(count: int) -> bool:
    calls = control.calls()
    return len(calls) == count and all(call["state"] == "relayed" and call["callee"] for call in calls)


def forwarded(packets: int) -> bool:
    return all(min(call["packets"].values()) >= packets for call in control.calls())


@pytest.mark.parametrize("trunk", ["555@asterisk2", "v6-555@asterisk2-v6"], ids=["ipv4", "ipv6"])
def test_the_switch_carries_an_answered_call_and_both_ends_hear_every_packet(trunk: str) -> None:
    with captured() as capture:
        control.originate(trunk)
        wait_until(lambda: offloaded(1), within=10, what="the call to be offloaded")
        wait_until(lambda: forwarded(100), within=10, what="a hundred packets each way")
        wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="the guards to be there")
        forwarding = [flow for flow in control.flows() if "dec_ttl" in flow]
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the call to end")
    assert len(forwarding) == 2
    assert all("in_port=" in flow for flow in forwarding)
    assert_all_whole(capture, streams=2)
    for stream in capture.end_to_end:
        assert len(stream.by_switch()) >= 100


def test_calls_one_after_another_are_carried_and_both_ends_hear_every_packet() -> None:
    for _ in range(7):
        with captured() as capture:
            control.originate("555@asterisk2")
            wait_until(lambda: offloaded(1) and forwarded(10), within=10, what="the call to be offloaded")
            control.hang_up_all()
            wait_until(lambda: not control.calls(), within=10, what="the call to end")
        assert_all_whole(capture, streams=2)


def test_the_flows_are_gone_before_the_other_party_is_told_of_a_hang_up() -> None:
    control.originate("555@asterisk2", count=5)
    wait_until(lambda: offloaded(5), within=15, what="five calls to be offloaded")
    # When each look at the flows began, and how many there were.
    watch = (
        "end=$(( $(date +%s) + 60 ));"
        " while [ $(date +%s) -lt $end ]; do at=$(date +%s.%N)"
        f" n=$(ovs-ofctl -O OpenFlow13 dump-flows {BRIDGE} cookie=0xff1000000000000/0xffff000000000000"
        " | grep -Ec 'cookie=0xff1[0-9a-f]{10}[01][0-9a-f],'); echo $at $n; [ $n -eq 0 ] && exit; done"
    )
    with captured() as capture, control.running("ovs", "sh", "-c", watch, within=60) as seen:
        wait_until(lambda: f" {5 * FLOWS}\n" in seen(), within=10, what="all flows to be seen")
        for channel in called_parties():
            control.asterisk("asterisk1", f"channel request hangup {channel}")
        wait_until(lambda: " 0\n" in seen(), within=10, what="the flows to go")
        wait_until(lambda: not control.calls(), within=10, what="the calls to end")
        looks = [(float(at), int(flows)) for at, flows in map(str.split, seen().splitlines())]
    told = sorted(m.at for m in capture.sip if m.start.startswith("BYE") and m.arrived)
    assert len(told) == 5
    for at, flows in looks:
        assert flows <= FLOWS * sum(hang_up > at for hang_up in told)


def called_parties() -> list[str]:
    """List the channels at which asterisk1 was called; it called from the others."""
    rows = [
        row.split("!") for row in control.asterisk("asterisk1", "core show channels concise").splitlines()
    ]
    return [row[0] for row in rows if row[2:3] == ["555"]]


def test_the_operator_moves_media_out_and_back_and_nobody_on_the_call_can_tell() -> None:
    with captured() as capture:
        control.originate("555@asterisk2", count=3)
        wait_until(lambda: offloaded(3) and forwarded(20), within=15, what="three calls to be offloaded")
        for _ in range(3):
            control.offload("relay", "--all")
            assert control.flows() == []
            assert relayed(3)
            assert {call["reason"] for call in control.calls()} == {"operator"}
            control.offload("offload", "--all")
            wait_until(lambda: offloaded(3), within=10, what="three calls to be offloaded again")
        one = control.calls()[0]["call"]
        control.offload("relay", one)
        assert sorted(call["state"] for call in control.calls()) == ["offloaded", "offloaded", "relayed"]
        control.offload("offload", one)
        wait_until(lambda: offloaded(3), within=10, what="three calls to be offloaded again")
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the calls to end")
    assert_all_whole(capture, streams=6)


def test_a_call_that_begins_while_all_are_held_stays_relayed_until_all_are_let_go() -> None:
    control.offload("relay", "--all")
    control.originate("555@asterisk2")
    wait_until(lambda: relayed(1), within=10, what="the call to be up")
    assert control.flows() == []
    control.offload("offload", "--all")
    wait_until(lambda: offloaded(1), within=10, what="the call to be offloaded")


def test_a_silent_endpoint_keeps_the_call_relayed_and_is_named() -> None:
    control.originate("557@asterisk2")
    reason = "no-media:callee"
    wait_until(lambda: [c["reason"] for c in control.calls()] == [reason], within=10, what=reason)
    # The reason is there before the switch has confirmed the flows.
    [learning] = wait_until(
        lambda: found if len(found := control.flows()) == 1 else None,
        within=5,
        what="one flow, that of the silent leg",
    )
    assert "CONTROLLER" in learning
    assert "dec_ttl" not in learning


def test_an_endpoint_that_falls_silent_and_sends_rtcp_all_the_same_stays_in_the_switch() -> None:
    begun = time.time()
    control.originate("558@asterisk2")
    wait_until(lambda: offloaded(1) and forwarded(10), within=20, what="the call to be offloaded")
    # Its flow has ended after media.idle_timeout (10 s), and is there again.
    added = wait_until(
        lambda: [flow for flow in control.flows() if "idle_timeout=300" in flow],
        within=20,
        what="the flow of the silent leg to be added again",
    )
    assert len(added) == 1
    assert offloaded(1)
    assert "media.relayed" not in [event["event"] for event in logged(begun)]
