"""What `watch` and `stats` say of real calls, and what is left of a measurement that is broken off."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import captured
from lab.control import wait_until
from lab.place import PROJECT
from tests.support.applications import application
from tests.support.observed import logged, media_moved, more_packets

CALLS = 10
SECONDS = 10
# What a command may take beside what it measures, on a machine that is not busy.
BESIDE = 60.0


@contextmanager
def beside_asterisk() -> Iterator[None]:
    """Run the application where it sees Asterisk's process, as on a host; the lab's own is in another namespace of pids."""
    with application(f"--pid=container:{control.container('asterisk2')}"):
        yield


def all_are(state: str, reason: str | None, calls: int = CALLS) -> None:
    wait_until(
        lambda: [(call["state"], call["reason"]) for call in control.calls()] == [(state, reason)] * calls,
        within=20,
        what=f"{calls} calls to be {state}",
    )


def test_since_when_and_by_whom_all_is_held_is_told_without_a_call_too() -> None:
    since = time.time()
    control.offload("relay", "--all")
    wait_until(lambda: time.time() > since + 1, within=5, what="a second")
    by = "offload (stasis-offload, user offload)"
    first, _, summary = control.offload("calls").splitlines()
    assert first.startswith("ALL HELD for 0:00:")
    assert first.endswith(
        f", by {by}: Asterisk relays every call, those to come too, until `stasis-offload offload --all`"
    )
    assert summary == "0 calls"
    block = control.health()["blocked"]
    assert (block["by"], block["age"] > 0) == (by, True)
    control.offload("offload", "--all")
    assert control.health()["blocked"] is None
    assert control.offload("calls").splitlines()[-1] == "0 calls"


def test_what_a_call_was_is_in_the_figures_of_all() -> None:
    before = json.loads(control.offload("stats", "--json"))
    control.originate("555@asterisk2")
    media_moved()
    more_packets(50)
    during = json.loads(control.offload("stats", "--json"))
    control.hang_up_all()
    wait_until(lambda: not control.calls(), within=10, what="the call to end")
    [line] = [line for line in logged(time.time() - during["age"]) if line["event"] == "call.summary"][-1:]
    after = json.loads(control.offload("stats", "--json"))
    assert during["states"] == {"offloaded": 1}
    assert during["packets"] - before["packets"] >= 100
    assert after["calls"] - before["calls"] == after["carried"] - before["carried"] == 1
    assert after["packets"] - before["packets"] == sum(line["packets"].values())
    for name in ("talked", "offloaded"):
        assert after[name] - before[name] == pytest.approx(line[name], abs=0.2), name
    assert "packets that did not wake Asterisk" in control.offload("stats")


@pytest.fixture
def shared() -> Iterator[str]:
    """Return a volume for the application's socket, which outlives the application's container."""
    name = f"{PROJECT}-http"
    yield name
    control.docker("volume", "rm", name)


def test_watch_shows_each_call_and_goes_on_through_a_restart_of_the_application(shared: str) -> None:
    volume = f"--volume={shared}:/run/stasis-offload"
    image = control.docker("inspect", "-f", "{{.Image}}", control.container("offload")).strip()
    with application(volume):
        control.originate("555@asterisk2")
        media_moved()
        options = ("--detach", volume, "--label=stasis-offload.lab=true")
        watching = ("stasis-offload", "watch", "--interval", "0.5")
        watcher = control.docker("run", *options, image, *watching).strip()

        def watched(text: str, since: int = 0) -> int:
            """Wait until it has printed this; return where it ends."""

            def find() -> int:
                printed = control.docker("logs", watcher)
                return printed.find(text, since) + 1 and printed.index(text, since) + len(text)

            return wait_until(find, within=20, what=f"watch to print {text!r}", every=0.5)

        def rates() -> list[int]:
            return [
                int(rate) for rate in re.findall(r"(\d+) packets a second", control.docker("logs", watcher))
            ]

        try:
            seen = watched("1 call: 1 offloaded")
            # 50 of each party; Open vSwitch counts them each half second, or some time later.
            wait_until(
                lambda: any(20 <= rate <= 300 for rate in rates()), within=20, what="a rate", every=0.5
            )
            control.stop("offload", kill=True)
            gone = watched("trying again", seen)
            control.docker("start", control.container("offload"))
            watched("1 call: 1 offloaded", gone)
            control.docker("kill", "--signal=INT", watcher)
            assert control.docker("wait", watcher).strip() == "0"
        finally:
            control.docker("rm", "--force", watcher)


def test_where_asterisks_process_is_not_seen_nothing_is_measured_and_nothing_moved() -> None:
    control.originate("555@asterisk2")
    media_moved()
    said = control.execute(
        "offload", "sh", "-c", f"stasis-offload stats --measure {SECONDS} --yes 2>&1; echo $?"
    )
    assert "does not see Asterisk's process" in said
    assert said.splitlines()[-1] == "1"
    assert control.calls()[0]["state"] == "offloaded"


def test_a_measurement_tells_what_relaying_costs_and_nobody_loses_a_packet() -> None:
    with beside_asterisk(), captured() as capture:
        control.originate("555@asterisk2", count=CALLS)
        media_moved(CALLS)
        control.offload("relay", control.calls()[0]["call"])
        measuring = (
            *("stasis-offload", "stats", "--json", "--yes"),
            *("--measure", str(SECONDS), "--rounds", "1"),
        )
        with control.running("offload", *measuring, within=control.BUSY * (3 * SECONDS + BESIDE)) as output:
            wait_until(
                lambda: {call["reason"] for call in control.calls()} == {"operator", "measurement"},
                within=SECONDS + BESIDE,
                what="all calls to be relayed",
            )
            found = json.loads(
                wait_until(
                    lambda: output() if output().endswith("}\n") else "",
                    within=3 * SECONDS + BESIDE,
                    what="the comparison",
                )
            )
        told = sorted((call["state"], call["reason"] or "") for call in control.calls())
        assert told[-1] == ("relayed", "operator")
        assert told.count(("offloaded", "")) >= 0.9 * (CALLS - 1)
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=15, what="the calls to end")
    assert found["rounds"] == 1
    # 50 packets a second of each party, and fewer on a machine that does not let them.
    said = sum(len(each.packets) / (each.packets[-1].at - each.first) for each in capture.end_to_end)
    assert found["packets_per_second"] == pytest.approx(said * (CALLS - 1) / CALLS, rel=0.15)
    assert 0 < found["ratio"] < 1
    assert found["ms_per_1000_packets"]["relayed"] > found["ms_per_1000_packets"]["offloaded"]
    assert len(capture.end_to_end) == 2 * CALLS
    assert [(stream.lost, stream.duplicated) for stream in capture.end_to_end] == [(0, 0)] * (2 * CALLS)


@pytest.mark.parametrize("number", ["INT", "KILL"])
def test_a_measurement_that_is_broken_off_leaves_no_call_with_asterisk(number: str) -> None:
    with beside_asterisk():
        control.originate("555@asterisk2", count=CALLS)
        media_moved(CALLS)
        measuring = f"echo $$ >/tmp/measuring; exec stasis-offload stats --measure {SECONDS} --yes"
        with control.running("offload", "sh", "-c", measuring, within=BESIDE):
            all_are("relayed", "measurement")
            ended = time.time()
            control.execute("offload", "sh", "-c", f"kill -{number} $(cat /tmp/measuring)")
        all_are("offloaded", None)
        told = [line["seconds"] for line in logged(ended) if line["event"] == "operator.measure"]
        assert told == ([0] if number == "INT" else [])
        control.hang_up_all()
