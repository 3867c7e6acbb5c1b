"""What an operator types, on the running lab, and what it prints."""

import json
import time

from lab import control, selfcheck
from lab.control import wait_until
from tests.support.observed import FLOWS, logged, media_moved, more_packets


def test_check_finds_everything_in_order_and_says_so_line_by_line() -> None:
    lines = control.offload("check").splitlines()
    assert [line[7:].partition(":")[0] for line in lines] == [
        *("user", "health", "ari", "modules", "ari user", "application", "endpoints"),
        *("control socket", "module", "cli permissions"),
        *("switch", "openflow", "abilities", "room", "instance", "tables", "bridge address"),
    ]
    # Some of the lab's endpoints are there to be against it.
    assert [line for line in lines if not line.startswith("ok ")] == [lines[6]]
    assert lines[6].startswith("hint   endpoints: calls of ")
    assert lines[0] == "ok     user: offload (groups asterisk, offload), whom the service runs as"


def test_calls_prints_a_table_of_what_carries_each_call() -> None:
    control.originate("555@asterisk2")
    media_moved()
    head, row, summary = control.offload("calls").splitlines()
    assert head.split() == [
        "CALL",
        "CALLER",
        "CALLEE",
        "STATE",
        "REASON",
        *["FROM", "CALLER", "FROM", "CALLEE", "MOS", "AGE"],
    ]
    assert row.split()[3:5] == ["offloaded", "-"]
    assert summary == "1 call: 1 offloaded"
    [call] = json.loads(control.offload("calls", "--json"))["calls"]
    assert (call["state"], call["reason"]) == ("offloaded", None)


def test_a_call_is_explained_while_it_is_up_and_after_its_end() -> None:
    control.originate("555@asterisk2")
    media_moved()
    [call] = control.calls()
    control.offload("relay", call["call"])
    wait_until(lambda: control.calls()[0]["reason"] == "operator", within=5, what="the call to be relayed")
    first, _, sentence, *_ = control.offload("explain", call["call"]).splitlines()
    assert f"{call['call']}: relayed operator, for 0:00:0" in first
    assert sentence.strip().startswith("An operator blocked the call")
    control.hang_up_all()
    wait_until(lambda: not control.calls(), within=15, what="the call to end")
    first, *_ = control.offload("explain", call["call"]).splitlines()
    assert first.startswith(f"{call['call']}: ended 0:00:0")
    moves = json.loads(control.offload("explain", call["call"], "--json"))["moves"]
    told = [(move["state"], move["reason"]) for move in moves]
    assert [each for each in told if each[0] == "offloaded"] == [("offloaded", None)]
    assert told[-2:] == [("relayed", "operator"), ("relayed", "ended")]


def test_a_call_that_does_not_exist_is_one_sentence_and_a_status() -> None:
    said = control.execute("offload", "sh", "-c", "stasis-offload relay 1.2 2>&1; echo $?")
    assert said == "stasis-offload: there is no call '1.2'\n1\n"


def test_every_line_of_the_log_about_a_call_carries_its_id_and_none_a_secret() -> None:
    control.originate("555@asterisk2")
    media_moved()
    call = control.calls()[0]["call"]
    expected = {"call.new", "call.talking", "media.learning", "media.offloaded", "flows.installed"}

    def written() -> str | None:
        log = control.docker("logs", control.container("offload"), stderr=True)
        found = {line["event"] for line in map(json.loads, log.splitlines()) if line.get("call") == call}
        return log if found >= expected else None

    log = wait_until(written, within=5, what=f"{expected} of the call", every=0.5)
    lines = [json.loads(line) for line in log.splitlines()]
    assert all("call" in line for line in lines if line["event"].startswith(("call.", "media.", "flows.")))
    password = control.execute("offload", "printenv", "STASIS_OFFLOAD_ARI__PASSWORD").strip()
    assert password
    assert password not in log


def test_a_call_that_is_over_is_one_line_of_the_log_that_says_what_it_was() -> None:
    begun = time.time()
    control.originate("555@asterisk2")
    media_moved()
    more_packets(50)
    call = control.calls()[0]
    control.hang_up_all()
    [line] = wait_until(
        lambda: [line for line in logged(begun) if line["event"] == "call.summary"],
        within=10,
        what="the line about the call",
    )
    assert (line["level"], line["call"], line["moves"], line["reasons"]) == ("info", call["call"], 1, [])
    assert (line["caller"], line["callee"], line["partial"]) == (call["caller"], call["callee"], False)
    assert line["duration"] >= line["talked"] >= line["offloaded"] > 0
    assert all(line["packets"][leg] >= call["packets"][leg] >= 50 for leg in ("caller", "callee"))


def test_asterisk_has_nothing_to_complain_of_after_a_healthy_start() -> None:
    for node in ("asterisk1", "asterisk2"):
        log = control.docker("logs", control.container(node), stderr=True)
        start = log.partition("Asterisk Ready.")[0]
        assert start != log
        assert "WARNING" not in start
        assert "ERROR" not in start


def test_no_frame_is_delivered_beside_the_switch_and_no_checksum_is_broken() -> None:
    assert selfcheck.problems() == []


def test_a_switch_that_dies_is_come_back_to_and_the_call_goes_on() -> None:
    control.originate("555@asterisk2")
    media_moved()
    before = control.calls()[0]
    control.execute("ovs", "pkill", "-KILL", "-x", "ovs-vswitchd")
    wait_until(
        lambda: (
            (call := control.calls()[0])["state"] == "offloaded"
            and call["state_age"] < call["age"] - before["age"]
        ),
        within=30,
        what="the media to be moved into the new switch",
    )
    assert control.calls()[0]["call"] == before["call"]
    wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows to be there")


def test_flows_that_somebody_else_takes_out_are_noticed_and_put_back() -> None:
    control.originate("555@asterisk2")
    media_moved()
    deleted = time.time()
    control.execute("ovs", "ovs-ofctl", "-O", "OpenFlow13", "del-flows", "breth0", "udp")
    wait_until(
        lambda: (
            (call := control.calls()[0])["state"] == "offloaded" and time.time() - call["state_age"] > deleted
        ),
        within=10,
        what="the flows to be put back",
    )
    wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows to be there")
