"""What `GET /metrics` says of the lab's calls, beside what the phones received and what `calls` says."""

import time

from lab import control
from lab.control import wait_until
from tests.support.edge_call import ALICE, BOB, conversation
from tests.support.hosts import unload_module
from tests.support.metrics import Samples
from tests.support.observed import FLOWS, logged, media_moved

# Packets that Open vSwitch may not have counted yet when a flow goes: it collects its datapath's counters each 0.5 s.
UNCOUNTED = 2 * 30 * control.BUSY


def samples() -> Samples:
    return Samples(control.metrics())


def test_the_figures_of_a_call_are_those_of_its_phones_and_of_calls() -> None:
    before = samples()

    def new(after: Samples, name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    with conversation() as call:
        call.carried()
        wait_until(lambda: len(control.flows()) == FLOWS, within=5, what="all flows to be there")
        during = samples()
        [found] = control.calls()
        control.offload("relay", found["call"])
        call.relayed("operator")
        relayed = samples()
        [found] = control.calls()
        call.alice.hang_up()
    assert during.of("calls", state="offloaded", reason="") == 1
    assert during.total("flows") == FLOWS
    assert relayed.of("calls", state="relayed", reason="operator") == 1
    assert new(relayed, "moves_total", direction="offload", reason="") == 1
    assert new(relayed, "moves_total", direction="return", reason="operator") == 1
    for histogram in ("set_up_seconds", "learning_seconds", "return_seconds"):
        assert new(relayed, f"{histogram}_count") == 1, histogram
    for duty in ("learn-in", "learn-out", "verify"):
        assert new(relayed, "packet_ins_total", duty=duty) >= 2, duty

    forwarded = new(relayed, "forwarded_packets_total")
    assert forwarded == sum(found["packets"].values())
    assert new(relayed, "forwarded_bytes_total") == sum(found["octets"].values())
    assert new(relayed, "asterisk_packets_saved_total") == 2 * forwarded
    heard = [packet for who in (ALICE, BOB) for packet in call.capture.heard(who) if packet.by_switch]
    said = [packet for who in (ALICE, BOB) for packet in call.capture.said(who)]
    assert len(heard) - UNCOUNTED <= forwarded <= len(said)

    wait_until(lambda: not control.calls(), within=10, what="the call to end")
    ended = samples()
    assert (
        new(ended, "calls_ended_total", carried="true") == new(ended, "calls_begun_total", origin="new") == 1
    )
    assert new(ended, "forwarded_packets_total") == forwarded
    assert ended.total("flows") == 0
    for peer in ("ari", "module", "switch"):
        assert ended.of("component_up", component="asterisk" if peer == "ari" else peer) == 1
        assert new(ended, "request_seconds_count", peer=peer) > 0, peer
        assert new(ended, "request_errors_total", peer=peer, error="unanswered") == 0, peer


def test_a_call_that_is_left_to_dial_is_counted() -> None:
    before = samples().of("calls_passed_by_total", reason="arguments")
    control.asterisk("asterisk2", 'dialplan set global LAB_ARGS "PJSIP/555@asterisk1,30,Y"')
    control.originate("custom@asterisk2")
    wait_until(
        lambda: samples().of("calls_passed_by_total", reason="arguments") == before + 1,
        within=10,
        what="the call to be left to Dial()",
    )


def test_a_module_that_is_gone_is_seen_without_a_call_and_its_return_brings_calls_back_at_once() -> None:
    version = control.health()["module"]
    assert version
    since = time.time()
    unload_module("res_rtpstreams.so")
    try:
        wait_until(lambda: not control.health()["ok"], within=15, what="the module to be missed")
        health = control.health()
        assert [problem for problem in health["problems"] if problem.startswith("module: ")] == health[
            "problems"
        ]
        assert "res_rtpstreams is not loaded" in health["problems"][0]
        assert (health["module"], samples().of("component_up", component="module")) == (None, 0)
        control.originate("555@asterisk2")
        wait_until(
            lambda: [call["reason"] for call in control.calls()] == ["module-unreachable"],
            within=10,
            what="a call to find it missing",
        )
    finally:
        control.asterisk("asterisk2", "module load res_rtpstreams.so")
    media_moved()
    wait_until(lambda: control.health()["ok"], within=10, what="the module to be found")
    assert control.health()["module"] == version
    events = [event["event"] for event in logged(since)]
    assert [name for name in events if name in ("module.down", "module.up")] == ["module.down", "module.up"]
