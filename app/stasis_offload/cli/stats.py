"""The command that says what offloading has done so far, and what it does to Asterisk's processor time."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stasis_offload.api_json import parse_health, parse_stats, stats_as_json
from stasis_offload.calls.views import Health, Stats
from stasis_offload.cli.client import request
from stasis_offload.cli.statuses import EXIT_INTERRUPTED
from stasis_offload.cli.tables import passed_by
from stasis_offload.cli.typed import AsJson, ConfigFile, age, ask, commands, unwound
from stasis_offload.comparison import (
    MOST_SECONDS,
    Comparison,
    NoComparisonError,
    Stretch,
    are_back,
    compare,
    cpu_of,
    in_switch,
    stretch,
)
from stasis_offload.errors import OffloadError

# Seconds for which Asterisk would go on relaying if this program died in the middle of it, beyond those that are measured.
_LEASE = 10.0
# Seconds without another call that has come back, ten of which do each second: then no more are waited for, and then it is given up.
_CALM, _BACK_WITHIN = 5.0, 30.0
_LOOKED_EVERY = 0.5

_Measure = Annotated[
    float | None,
    typer.Option(
        "--measure",
        metavar="SECONDS",
        min=10,
        max=MOST_SECONDS - _LEASE,
        help="Have Asterisk relay all calls for so long, and the switch carry them before and after, by turns.",
    ),
]
_Rounds = Annotated[int, typer.Option(min=1, max=20, help="How often, with --measure.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@commands.command()
def stats(
    *,
    measure: _Measure = None,
    rounds: _Rounds = 3,
    yes: _Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say which part of calls and of their time the switch has carried, and how many packets did not wake Asterisk.

    With --measure also what Asterisk's processor time is with the calls in the switch, and without, by turns: it moves everybody's media.
    However it ends, the calls are as they were; if it is killed, within 10 s of when that stretch would have ended.
    """
    figures, health = _figures(config), parse_health(request(config, "GET", "/healthz"))
    if measure is None:
        typer.echo(
            json.dumps(stats_as_json(figures), indent=2) if as_json else "\n".join(_lines(figures, health))
        )
        return
    if not in_switch(figures):
        raise NoComparisonError("no call is in the switch: there is nothing to compare")
    cpu_of(figures)  # before anything is moved
    ask(
        f"Move the media of {in_switch(figures)} calls, and of those to come, to Asterisk and back"
        f" {rounds} times, for {measure:g} s each?",
        yes=yes,
    )
    try:
        with unwound():
            found = compare(list(_stretches(config, figures, seconds=measure, rounds=rounds)))
    except KeyboardInterrupt:
        typer.echo("interrupted; the calls go back to where they were", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    typer.echo(json.dumps(_as_json(found), indent=2) if as_json else "\n".join(_comparison(found)))


def _figures(config: Path | None) -> Stats:
    return parse_stats(request(config, "GET", "/stats"))


def _stretches(config: Path | None, begun: Stats, *, seconds: float, rounds: int) -> Iterator[Stretch]:
    """Yield a stretch with the calls in the switch, one with all relayed, one with them in the switch, and so on."""
    yield _stretch(config, seconds, relayed=False)
    for _ in range(rounds):
        with _all_relayed(config, seconds + _LEASE):
            relayed = _stretch(config, seconds, relayed=True)
        yield relayed
        _wait_until_back(config, begun)
        yield _stretch(config, seconds, relayed=False)


@contextmanager
def _all_relayed(config: Path | None, at_most: float) -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(request, config, "POST", "/measure", {"seconds": 0})
        try:
            request(config, "POST", "/measure", {"seconds": at_most})
        except OffloadError:  # another's measurement is left alone
            stack.pop_all()
            raise
        yield


def _stretch(config: Path | None, seconds: float, *, relayed: bool) -> Stretch:
    first = _figures(config)
    time.sleep(seconds)
    found = stretch(first, _figures(config), relayed=relayed)
    where = "relayed:  " if relayed else "offloaded:"
    typer.echo(f"{where} Asterisk {_cores(found.cpu)} of a core", err=True)
    return found


def _wait_until_back(config: Path | None, begun: Stats) -> None:
    """Wait until all calls are in the switch again, or most, and no more of them come."""
    most, since = 0, time.monotonic()
    while True:
        now = _figures(config)
        if in_switch(now) > most:
            most, since = in_switch(now), time.monotonic()
        waited = time.monotonic() - since
        if in_switch(now) >= in_switch(begun) or (are_back(begun, now) and waited > _CALM):
            return
        if waited > _BACK_WITHIN:
            raise NoComparisonError(
                f"the calls changed: {in_switch(begun)} were in the switch, now {in_switch(now)} are; `stasis-offload calls` says why"
            )
        time.sleep(_LOOKED_EVERY)


def _lines(figures: Stats, health: Health) -> Iterator[str]:
    up = sum(figures.states.values())
    yield f"in {age(figures.age)} since the application began:"
    yield f"  calls           {figures.calls}, {_part(figures.carried, figures.calls)} of them in the switch at some time"
    yield f"  time to talk    {age(figures.talked)}, {_part(figures.offloaded, figures.talked)} of it in the switch"
    yield f"  packets that did not wake Asterisk: {figures.packets}"
    yield f"  {passed_by(health)}"
    yield f"now: {up} {'call' if up == 1 else 'calls'}, {_part(in_switch(figures), up)} of them in the switch"


def _part(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _cores(share: float) -> str:
    return f"{share:.1%}"


def _comparison(found: Comparison) -> Iterator[str]:
    yield f"Asterisk's processor time, medians of {found.rounds}, at {found.packets:.0f} packets a second:"
    yield f"  offloaded  {_cores(found.offloaded):>6} of a core  {found.ms_offloaded:6.1f} ms for 1,000 packets"
    yield f"  relayed    {_cores(found.relayed):>6} of a core  {found.ms_relayed:6.1f} ms for 1,000 packets"
    yield f"  ratio      {found.ratio:.3f}"


def _as_json(found: Comparison) -> dict[str, object]:
    return {
        "rounds": found.rounds,
        "packets_per_second": round(found.packets, 1),
        "asterisk_cores": {"offloaded": round(found.offloaded, 5), "relayed": round(found.relayed, 5)},
        "ms_per_1000_packets": {
            "offloaded": round(found.ms_offloaded, 3),
            "relayed": round(found.ms_relayed, 3),
        },
        "ratio": round(found.ratio, 4),
    }
