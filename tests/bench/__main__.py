"""Measure everything, one after the other, on a lab that is up: `make bench` sees to that.

Every relay gets the same load of the same generator: 50 calls whose phones, 100 at the edge, speak real SIP (to
rtpengine its ng protocol, in place of the proxy that would) and send a packet each 20 ms, each on its own beat. SIPp
or asterisk1 could make the calls, but neither can play phones to rtpengine, and asterisk1 would take more of the
machine than what is measured. What it costs is latency, and the same for all: every figure is one of this machine, and
only their ratios mean something elsewhere.
"""

import os
import sys
from collections.abc import Mapping
from typing import TypeVar

from rich.console import Console

from lab import control
from lab.capture import HEADERS, captured
from lab.control import LabError
from tests.bench import (
    costs,
    incoming,
    moves,
    programming,
    quiet,
    relays,
    report,
    rounds,
    rush,
    scale,
    setups,
)
from tests.bench.load import EDGE, bring_generator, calls_up
from tests.bench.moves import Moved
from tests.bench.relaying import MEASURED_S
from tests.bench.rounds import CALLS, ROUNDS
from tests.bench.scale import Scale
from tests.bench.setups import SetUp

TIMES = 20

Result = TypeVar("Result")

# The tables of a log are as wide as those of a wide terminal.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def main() -> int:
    """Run the benchmark; 0 when all of it could be measured, whatever came out."""
    try:
        _say("build the image of rtpengine, and put the generator at the edge")
        relays.build_rtpengine()
        bring_generator()
        try:
            results = _run()
        finally:
            control.offload("offload", "--all")
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.write(results)
    report.show(results, console)
    goals = report.as_json(results)["goals"]
    met = sum(goal["met"] for goal in goals.values())
    print(f"bench: {met} of {len(goals)} goals met, see {report.REPORT}")
    return 0


def _run() -> report.Results:
    load_average, *_ = os.getloadavg()
    if load_average > 1:
        _say(f"something else is running here (load average {load_average:.1f}): the figures will show it")
    _say(f"program {2 * programming.CALLS} flows by our OpenFlow, {programming.SEED_FLOWS} by ovs-ofctl")
    programmed = _found(programming.measure())
    going_on = {}
    for calls in quiet.CALLS:
        _say(
            f"let {calls} calls go on, {quiet.MEASURED_S:g} s, then {quiet.NEW_CALLS} new ones come: what the switch does"
        )
        going_on[calls] = _found(quiet.measure(calls))
    at_scale = _scale()
    _quiet()
    set_up = _set_up()
    _say(f"{incoming.RATE} new calls a second, beside a switch and a module that answer at once")
    coming = _found(incoming.measure(incoming.RATE))
    _say(f"{costs.CALLS} calls, {costs.RATE:g} a second, by plain Dial() and by ours: what one costs")
    cost = _found(costs.measure(relays.BEHIND_OVS))
    rushed = {}
    for rate in rush.RATES:
        _say(f"{rate} calls a second rush in, {rush.LASTS:g} s, by plain Dial() and by ours")
        rushed[rate] = _found(rush.measure(relays.BEHIND_OVS, rate))
    moved = _move()
    _say(f"{CALLS} calls by each relay, {MEASURED_S:g} s, {ROUNDS} rounds")
    in_rounds = rounds.measure(found=_found)
    return report.Results(
        moved=moved,
        set_up=set_up,
        programmed=programmed,
        rounds=in_rounds,
        quiet=going_on,
        scale=at_scale,
        costs=cost,
        rush=rushed,
        incoming=coming,
        load_average=load_average,
    )


def _scale() -> Mapping[int, Scale]:
    """Measure many calls; more than the goals are about may be too many for a machine that does something else."""
    at_scale: dict[int, Scale] = {}
    for calls in scale.CALLS:
        _say(
            f"let {calls} calls go on, beside a switch and a module that answer at once: what they cost the application itself"
        )
        try:
            at_scale[calls] = _found(scale.measure(calls))
        except LabError as error:
            if not at_scale:
                raise
            _say(f"not measured: {error}")
    return at_scale


def _quiet() -> None:
    """Begin without a call, and with none blocked by the operator."""
    control.offload("offload", "--all")
    control.hang_up_all()
    control.wait_until(lambda: not control.calls(), within=20, what="every call to end")


def _set_up() -> Mapping[int, SetUp]:
    set_up = {}
    for rate, (calls, _) in setups.RATES.items():
        _say(f"set up {calls} calls, {rate} a second")
        set_up[rate] = _found(setups.measure(relays.BEHIND_OVS, rate))
    return set_up


def _move() -> Moved:
    _say(f"move {CALLS} calls out of the switch and in again, {TIMES} moves each")
    with captured(EDGE, snaplen=HEADERS) as capture, calls_up(relays.BEHIND_OVS, CALLS):
        moves.all_are("offloaded", CALLS)
        moving = moves.move(CALLS, times=TIMES)
    _say("judge every packet of them")
    return _found(moves.judge(capture, moving))


def _say(text: str) -> None:
    console.print(f"[bold cyan]==>[/bold cyan] {text}")


def _found(result: Result) -> Result:
    """Print what came out of a part, and return it."""
    console.print(f"    {result}")
    return result


if __name__ == "__main__":
    sys.exit(main())
