"""Why a call stays with Asterisk: each reason made on purpose, and told alike by HTTP, in the log and in the CDR.

Reasons that need packets which Asterisk would not send are made with the phones at the edge.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import control
from lab.capture import Capture, captured
from lab.control import wait_until
from lab.place import SUBNET
from stasis_offload.asterisk.rtpstreams import parse_reports
from stasis_offload.media.eligibility import why_not
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from tests.support.observed import Cdrs, datapath_follows, logged, media_moved, ringing

Call = dict[str, Any]
Command = tuple[str, ...]


def cli(node: str, command: str) -> Command:
    return node, "asterisk", "-rx", command


def dial(target: str, *, trunk: str = "asterisk2") -> None:
    """Have asterisk1 call node 2, whose dialplan runs Stasis(offload,target)."""
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {target}")
    if trunk == "asterisk2-video":
        control.asterisk("asterisk1", "channel originate Local/call-with-video@public application Wait 1")
    else:
        control.originate(f"custom@{trunk}")


def relayed_because(reason: str) -> Call:
    """Wait until the one call there is has been relayed for a second, and for that reason."""

    def found() -> Call | None:
        calls = control.calls()
        told = [(call["state"], call["reason"]) for call in calls] == [("relayed", reason)]
        return calls[0] if told and calls[0]["state_age"] >= 1 else None

    return wait_until(found, within=20, what=f"a call relayed because of {reason}", every=0.5)


def reasons_logged(call: Call) -> list[str]:
    """List the reasons for which the application's log has had a call relayed, in order."""
    begun = float(call["call"])  # what the id of a channel begins with
    return [
        str(line["reason"])
        for line in logged(begun - 1)
        if line.get("call") == call["call"] and line["event"] == "media.relayed"
    ]


def flows_gone() -> float:
    """Wait until no flow of ours is left; return when (Unix time, s) the datapath has followed too."""
    wait_until(lambda: not control.flows(), within=10, what="the flows to go")
    datapath_follows()
    return time.time()


def variables(call: Call) -> list[str]:
    """List the variables of the caller's channel, as `NAME=value`, among much else."""
    return control.asterisk("asterisk2", f"core show channel {call['caller']}").split()


def settled(reason: str, call: Call) -> None:
    """Wait until the reason is on the caller's channel, and the status that is written after it.

    A reason that lasts less than half a second is not written.
    """
    wanted = {f"OFFLOAD_REASON={reason}", "OFFLOAD_STATUS=relayed"}
    wait_until(lambda: wanted <= set(variables(call)), within=5, what=f"{reason} to last")


def end_of_calls() -> None:
    control.hang_up_all()
    wait_until(lambda: not control.calls(), within=15, what="the call to end")


def assert_told(reason: str, call: Call, cdrs: Cdrs) -> Call:
    """The log and the CDR of the ended call name the reason that HTTP named; returns the CDR."""
    assert reason in reasons_logged(call)
    cdr = cdrs.last()
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("relayed", reason)
    return cdr


def assert_carried_by_asterisk(capture: Capture, *, since: float = 0) -> None:
    """Asterisk1 heard its call, and nothing of it came by the switch."""
    assert any(packet.at > since for stream in capture.arriving for packet in stream.packets)
    assert not [packet for stream in capture.arriving for packet in stream.by_switch() if packet.at > since]


@contextmanager
def condition(make: Command, undo: Command) -> Iterator[None]:
    control.execute(*make)
    try:
        yield
    finally:
        control.execute(*undo)


# The application may be asking the module something just then.
UNLOADED = "until asterisk -rx 'module unload res_rtpstreams.so' | grep Unloaded; do sleep 0.1; done"


# Calls that are so from their first moment to their last.
@pytest.mark.parametrize(
    ("reason", "target", "trunk"),
    [
        ("not-rtp:callee", "Local/tone@from-asterisk1", "asterisk2"),
        ("encrypted:callee", "PJSIP/sdes@asterisk1-sdes", "asterisk2"),
        ("encrypted:callee", "PJSIP/webrtc@asterisk1-webrtc", "asterisk2"),
        ("ice:callee", "PJSIP/ice@asterisk1-ice", "asterisk2"),
        ("rtcp-mux:callee", "PJSIP/mux@asterisk1-mux", "asterisk2"),
        ("direct-media:callee", "PJSIP/555@asterisk1-direct", "asterisk2"),
        ("video:caller", "PJSIP/video@asterisk1-video", "asterisk2-video"),
        ("rtp-timeout:callee", "PJSIP/555@asterisk1-timers", "asterisk2"),
        ("rtp-keepalive:callee", "PJSIP/555@asterisk1-keepalive", "asterisk2"),
        ("null-address:callee", "PJSIP/loopback@asterisk1-asymmetric", "asterisk2"),
        ("hairpin:callee", "PJSIP/hairpin@asterisk1-hairpin", "asterisk2"),
        ("address-family", "PJSIP/555@asterisk1-v6", "asterisk2"),
        ("codec-mismatch", "PJSIP/711@asterisk1", "asterisk2-ulaw"),
        ("ptime-mismatch", "PJSIP/ptime@asterisk1-ptime", "asterisk2"),
        ("event-payload-type-mismatch", "PJSIP/555@asterisk1-info", "asterisk2"),
    ],
)
def test_a_call_that_the_switch_must_not_carry_stays_with_asterisk_and_says_why(
    cdrs: Cdrs, reason: str, target: str, trunk: str
) -> None:
    with captured() as capture:
        dial(target, trunk=trunk)
        call = relayed_because(reason)
        settled(reason, call)
        end_of_calls()
    assert_carried_by_asterisk(capture)
    assert assert_told(reason, call, cdrs)["offload_packets"] == "0"


# An ordinary call, in a house that is not in order.
@pytest.mark.parametrize(
    ("reason", "make", "undo"),
    [
        (
            "not-native",
            cli("asterisk2", "bridge technology suspend native_rtp"),
            cli("asterisk2", "bridge technology unsuspend native_rtp"),
        ),
        (
            "module-unreachable",
            ("asterisk2", "sh", "-c", UNLOADED),
            cli("asterisk2", "module load res_rtpstreams.so"),
        ),
        (
            "low-ttl:caller",
            ("asterisk1", "ip", "route", "change", SUBNET, "dev", "eth0", "hoplimit", "10"),
            ("asterisk1", "ip", "route", "change", SUBNET, "dev", "eth0"),
        ),
    ],
)
def test_a_call_stays_with_asterisk_and_says_why_while_something_about_it_is_wrong(
    cdrs: Cdrs, reason: str, make: Command, undo: Command
) -> None:
    with condition(make, undo), captured() as capture:
        dial("PJSIP/555@asterisk1")
        call = relayed_because(reason)
        settled(reason, call)
        end_of_calls()
    assert_carried_by_asterisk(capture)
    assert assert_told(reason, call, cdrs)["offload_packets"] == "0"
    dial("PJSIP/555@asterisk1")
    media_moved()


def record(call: Call) -> None:
    control.asterisk("asterisk2", f"mixmonitor start {call['caller']} eligibility.wav")


def hold_by_the_operator(call: Call) -> None:
    control.offload("relay", call["call"])


# A call whose media the switch carried until this was done. More of what ends it: the tests of changes in mid-call.
@pytest.mark.parametrize(
    ("reason", "deed"),
    [
        ("audio-hook:caller", record),
        ("operator", hold_by_the_operator),
    ],
)
def test_a_call_that_the_switch_must_no_longer_carry_is_back_with_asterisk_and_says_why(
    cdrs: Cdrs, reason: str, deed: Callable[[Call], None]
) -> None:
    with captured() as capture:
        dial("PJSIP/555@asterisk1")
        media_moved()
        deed(control.calls()[0])
        returned = flows_gone()
        call = relayed_because(reason)
        settled(reason, call)
        end_of_calls()
    assert_carried_by_asterisk(capture, since=returned)
    assert_told(reason, call, cdrs)


def test_a_fax_takes_the_media_back_and_once_refused_keeps_it(cdrs: Cdrs) -> None:
    with captured() as capture:
        dial("PJSIP/fax@asterisk1-t38", trunk="asterisk2-t38")
        media_moved()
        returned = flows_gone()
        relayed_because("t38:caller")
        call = relayed_because("glue-forbids:caller")
        settled("glue-forbids:caller", call)
        end_of_calls()
    assert_carried_by_asterisk(capture, since=returned)
    told = [reason for reason in reasons_logged(call) if reason not in ("not-native", "ended")]
    # How far each leg is when Asterisk is asked depends on the moment.
    assert "t38:caller" in told
    assert told[-1] == "glue-forbids:caller"
    assert set(told) <= {"call-changed", "t38:caller", "t38:callee", "glue-forbids:caller"}
    assert_told("glue-forbids:caller", call, cdrs)


def test_while_the_callee_rings_the_call_is_not_connected_and_asterisk_says_that_its_legs_are_not_up(
    cdrs: Cdrs,
) -> None:
    dial("PJSIP/180@asterisk1")
    ringing()
    [call] = control.calls()
    assert (call["state"], call["reason"]) == ("dialing", "not-connected")
    rows = control.asterisk("asterisk2", f"rtpstreams json offload-{call['call']}")
    by_channel = {report.channel_id: report for report in parse_reports(rows)}
    caller = by_channel.pop(call["call"])
    [callee] = by_channel.values()
    assert why_not(caller, callee) == Reason(ReasonKind.NOT_UP, Leg.CALLER)
    settled("not-connected", call)
    end_of_calls()
    assert cdrs.last()["offload_reason"] == "not-connected"


NO_MEDIA = "no-media:callee"


def test_a_leg_that_falls_silent_at_the_moment_of_the_cutover_stays_in_the_switch() -> None:
    """One packet is enough for a cutover when the other leg's packets come at a good moment, as most do."""
    for _ in range(10):
        dial("PJSIP/559@asterisk1")
        call = wait_until(lambda: next(iter(control.calls()), None), within=15, what="the call")
        offloaded = (
            wait_until(_settled, within=15, what=f"{NO_MEDIA}, or the switch to carry the call") != NO_MEDIA
        )
        end_of_calls()
        assert "flow-lost:callee" not in reasons_logged(call)
        if offloaded:
            return
    pytest.fail("no call was offloaded")


def _settled() -> str | None:
    """Return the state of the call once it has been in the switch for three seconds, or why it is not."""
    [call] = control.calls()
    if call["reason"] == NO_MEDIA or (call["state"] == "offloaded" and call["state_age"] > 3):
        return str(call["reason"] or call["state"])
    return None


def test_a_switch_that_dies_is_named() -> None:
    dial("PJSIP/555@asterisk1")
    media_moved()
    call = control.calls()[0]
    control.execute("ovs", "pkill", "-KILL", "-x", "ovs-vswitchd")
    wait_until(lambda: "switch-unreachable" in reasons_logged(call), within=30, what="switch-unreachable")
    media_moved()


def test_an_application_that_stops_says_so_on_the_callers_channel() -> None:
    dial("PJSIP/555@asterisk1")
    media_moved()
    call = control.calls()[0]
    control.stop("offload")
    try:
        assert {"OFFLOAD_STATUS=relayed", "OFFLOAD_REASON=stopping"} <= set(variables(call))
        assert reasons_logged(call)[-1] == "stopping"
    finally:
        control.start("offload")
    media_moved()
