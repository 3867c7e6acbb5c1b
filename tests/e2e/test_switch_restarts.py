"""The switch hangs, or restarts and gets back the flows that were saved before: as ovs-ctl does at a reload and an upgrade."""

import time
from collections import Counter

from lab import control
from lab.control import wait_until
from tests.support.edge_call import ALICE, BOB, assert_by_asterisk, assert_carried, conversation, longest_gap
from tests.support.hosts import stopped_process, switch_restarted
from tests.support.observed import logged, media_moved

CALLS, FEW = 50, 6
HUNG = 2.5
# Seconds without a packet: until Asterisk relays again, on a busy machine; the next audit would be later.
NOTICED_WITHIN = 4.0
# As ovs-ctl: ovs-save writes scripts that restore the flows.
_SAVE = "/usr/share/openvswitch/scripts/ovs-save save-flows breth0 >/tmp/restore"
_PID = "cat /run/openvswitch/ovs-vswitchd.pid 2>/dev/null || true"
RECORDING = "/tmp/restored.wav"


def offloaded() -> int:
    return sum(call["state"] == "offloaded" for call in control.calls())


def test_a_switch_that_hangs_for_two_and_a_half_seconds_moves_no_call() -> None:
    control.originate("555@asterisk2", count=CALLS)
    wait_until(lambda: offloaded() == CALLS, within=40, what="all calls to be in the switch")
    wait_until(
        lambda: min(call["state_age"] for call in control.calls()) > 3, within=10, what="all to be guarded"
    )
    start = time.time()
    with stopped_process("ovs", "ovs-vswitchd"):
        wait_until(lambda: time.time() > start + HUNG, within=HUNG + 1, what="time to pass")
    wait_until(lambda: time.time() > start + 2 * HUNG, within=HUNG + 1, what="time to pass")
    assert "offloaded" not in [event.get("was") for event in logged(start)]
    assert offloaded() == CALLS
    wait_until(lambda: control.health()["problems"] == [], within=5, what="the switch to be as ever")


def test_flows_that_are_restored_after_a_restart_carry_nothing_past_a_recording_that_began_meanwhile() -> (
    None
):
    with conversation() as call:
        carried = call.carried()
        carried_until = call.passed(0.5)
        caller = control.calls()[0]["caller"]
        control.execute("ovs", "sh", "-c", _SAVE)
        before = control.execute("ovs", "sh", "-c", _PID)
        control.execute("ovs", "pkill", "-TERM", "-x", "ovs-vswitchd")
        wait_until(
            lambda: (
                control.execute("ovs", "sh", "-c", _PID) not in ("", before)
                and control.health()["problems"] == []
            ),
            within=20,
            what="the application to be connected to the new switch",
        )
        control.asterisk("asterisk2", f"mixmonitor start {caller} {RECORDING}")
        call.relayed("audio-hook:caller")
        control.execute("ovs", "sh", "-c", "sh /tmp/restore")
        start = call.passed(1.5)
        assert control.flows() == []
        end = call.passed(1.5)
        control.asterisk("asterisk2", f"mixmonitor stop {caller}")
        again = call.carried()
        again_until = call.passed(0.5)
    assert_carried(call.capture, carried, carried_until)
    for speaker in (BOB, ALICE):
        assert_by_asterisk(call.capture, speaker, start, end)
    assert_carried(call.capture, again, again_until)


def test_a_switch_that_ends_is_told_of_once_and_not_by_every_attempt_of_every_call() -> None:
    control.originate("555@asterisk2", count=FEW)
    media_moved(FEW)
    begun = time.time()
    with switch_restarted():
        control.execute("ovs", "ovs-appctl", "exit", "--cleanup")  # which deletes every flow first
    wait_until(
        lambda: told(begun)["media.offloaded"] >= FEW, within=15, what="all calls to be in the new switch"
    )
    warnings = told(begun, "warning", "error")
    assert warnings["switch.down"]
    assert warnings["flows.deleted_externally"] <= FEW, warnings
    assert warnings["flows.failed"] <= 2 * FEW, warnings


def told(since: float, *levels: str) -> Counter[str]:
    """Count the events that the application has logged, or those of some levels."""
    return Counter(event["event"] for event in logged(since) if not levels or event["level"] in levels)


# Each empties the bridge's flow tables (ofproto_flush_flows in OVS ofproto/connmgr.c); without a controller and its own fail
# mode, the bridge has NORMAL again by itself.
FLUSHES = (
    "set-fail-mode breth0 secure",
    "del-fail-mode breth0",
    "set-controller breth0 tcp:127.0.0.1:9",
    "del-controller breth0",
)
_NORMAL = "ovs-ofctl add-flow breth0 priority=0,actions=NORMAL"


def test_a_bridge_that_is_flushed_by_its_fail_mode_or_its_controller_gives_the_call_back_and_takes_it_again() -> (
    None
):
    carried = list[tuple[float, float, float]]()
    with conversation() as call:
        call.carried()
        try:
            for times, change in enumerate(FLUSHES, 1):
                begun = time.time()
                control.execute("ovs", "sh", "-c", f"ovs-vsctl {change} && {_NORMAL}")
                wait_until(lambda times=times: len(call.returns()) >= times, within=5, what="the return")  # type: ignore[misc] # mypy infers no type of a default
                start, end = call.carried(), call.passed(0.5)
                carried.append((begun, start, end))
            assert {reason for _, reason in call.returns()} <= {"call-changed", "switch-unreachable"}
        finally:
            control.execute(
                "ovs", "sh", "-c", f"ovs-vsctl del-controller breth0 -- del-fail-mode breth0 && {_NORMAL}"
            )
    for begun, start, end in carried:
        assert (
            max(longest_gap(call.capture, speaker, begun, start) for speaker in (BOB, ALICE)) < NOTICED_WITHIN
        )
        assert_carried(call.capture, start, end)
