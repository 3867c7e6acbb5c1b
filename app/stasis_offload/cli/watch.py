"""The command that shows the calls again and again, as `top` does processes."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from stasis_offload.api_json import parse_calls, parse_health
from stasis_offload.calls.views import CallState, CallView, Health
from stasis_offload.cli.client import request
from stasis_offload.cli.tables import (
    ReasonFilter,
    StateFilter,
    chosen,
    drained,
    fitting_table,
    held,
    passed_by,
    summary,
)
from stasis_offload.cli.typed import ConfigFile, commands, console, unwound
from stasis_offload.errors import OffloadError

# Lines of the table beside those of calls: its head, and what says how many are not shown.
_ROUND_THE_CALLS = 2


@dataclass(frozen=True, slots=True)
class Look:
    """All calls and the health at a moment (s of a clock that nobody steps), or what was said instead."""

    at: float
    calls: tuple[CallView, ...] = ()
    health: Health | None = None
    error: str = ""


def forwarded_per_second(before: Look | None, after: Look) -> float | None:
    """Return the packets a second that the switch forwarded of the calls in both looks; None without a look before."""
    if before is None or after.at <= before.at:
        return None
    was = {view.call: _packets(view) for view in before.calls}
    more = (max(0, _packets(view) - was[view.call]) for view in after.calls if view.call in was)
    return sum(more) / (after.at - before.at)


def _packets(view: CallView) -> int:
    return view.from_caller.packets + view.from_callee.packets


@commands.command()
def watch(
    *,
    state: StateFilter = None,
    reason: ReasonFilter = None,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0.5, max=3600, help="Between looks.")] = 2,
    config: ConfigFile = None,
) -> None:
    """Show the calls again and again until Ctrl+C, those first that the switch does not carry, then the newest.

    It goes on through a restart of the application. Without a terminal it prints what it sees at each look.
    """
    chosen((), state, reason)
    before, look = None, _look(config)
    if look.error:  # what is wrong from the beginning is wrong with this command
        raise OffloadError(look.error)
    screen = console()
    is_screen = sys.stdout.isatty() and not screen.is_dumb_terminal
    with (
        suppress(KeyboardInterrupt),
        unwound(),
        _showing(screen) if is_screen else nullcontext(lambda shown: screen.print(shown, "")) as show,
    ):
        while True:
            views = chosen(look.calls, state, reason)
            rate = forwarded_per_second(before, look)
            show(
                Group(
                    *_lines(
                        views, look, rate, screen=screen, most=screen.height if is_screen else sys.maxsize
                    )
                )
            )
            time.sleep(interval)
            before, look = (look if look.health else before), _look(config)


@contextmanager
def _showing(screen: Console) -> Iterator[Callable[[RenderableType], None]]:
    """Show one thing in place of the other, on a screen that is as before in the end."""
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        yield partial(live.update, refresh=True)


def _look(config: Path | None) -> Look:
    try:
        calls = parse_calls(request(config, "GET", "/calls"))
        return Look(time.monotonic(), calls, parse_health(request(config, "GET", "/healthz")))
    except OffloadError as error:
        return Look(time.monotonic(), error=str(error))


def _lines(
    views: Sequence[CallView], look: Look, rate: float | None, *, screen: Console, most: int
) -> Iterator[RenderableType]:
    """Yield what is shown, `most` lines at most: of the calls those first that the switch does not carry, then the newest."""
    now = time.strftime("%H:%M:%S")
    if look.health is None:
        yield Text(f"{now}  {look.error}; trying again …", style="bold red")
        return
    packets = "-" if rate is None else f"{rate:.0f}"
    head = [
        Text(f"{now}  {summary(views, look.calls)}", style="bold"),
        Text(f"{packets} packets a second do not wake Asterisk; {passed_by(look.health)}"),
    ]
    head += [Text(line, style="yellow") for line in (held(look.health), drained(look.health)) if line]
    head += [Text(f"problem: {problem}", style="bold red") for problem in look.health.problems]
    yield from head
    left = most - sum(len(line.wrap(screen, screen.width)) for line in head) - _ROUND_THE_CALLS
    first = sorted(views, key=lambda view: (view.state == CallState.OFFLOADED, view.age))
    if shown := first[: max(1, left)]:
        yield fitting_table(shown, screen)
    if len(shown) < len(views):
        yield Text(f"and {len(views) - len(shown)} more", style="dim")
