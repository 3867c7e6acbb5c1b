"""The calls as a table, as wide as there is room, and what is said of all of them in a line."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stasis_offload.calls.views import CallState, CallView, Health
from stasis_offload.cli.typed import age, plain_table, reason_named
from stasis_offload.media.quality import LegQuality

StateFilter = Annotated[CallState | None, typer.Option(help="Only calls in this state.")]
ReasonFilter = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only calls with this reason, of either leg or NAME:LEG."),
]


def mos(view: CallView) -> str:
    """Return the MOS of what each leg receives."""
    return "/".join(_mos(quality) for quality in (view.caller_quality, view.callee_quality))


def _mos(quality: LegQuality) -> str:
    return "-" if quality.mos is None else f"{quality.mos:.1f}"


_CELLS: dict[str, Callable[[CallView], str]] = {
    "CALL": lambda view: view.call,
    "CALLER": lambda view: view.caller,
    "CALLEE": lambda view: view.callee or "-",
    "STATE": lambda view: view.state,
    "REASON": lambda view: view.reason or "-",
    "SWITCH": lambda view: view.switch or "-",
    "FROM CALLER": lambda view: str(view.from_caller.packets),
    "FROM CALLEE": lambda view: str(view.from_callee.packets),
    "MOS": mos,
    "AGE": lambda view: age(view.age) + ("+" if view.partial else ""),
}
_NUMBERS = ("FROM CALLER", "FROM CALLEE", "MOS", "AGE")
_ANY_WIDTH = 10_000
# What a narrow terminal does without, the last of them first.
_SPARED = ("CALLER", "CALLEE", "MOS", "FROM CALLER", "FROM CALLEE")


def fitting_table(views: Sequence[CallView], console: Console) -> Table:
    """Return the calls as a table: all of its columns, or on a terminal those that it is wide enough for."""
    anyhow = console.options.update_width(_ANY_WIDTH)
    spared = set(_SPARED) if console.is_terminal else set()
    for name in _SPARED:
        wider = _table(views, spared - {name})
        if Measurement.get(console, anyhow, wider).maximum <= console.width:
            spared.discard(name)
    return _table(views, spared)


def _table(views: Sequence[CallView], spared: Collection[str]) -> Table:
    one = {"SWITCH"} if not any(view.switch for view in views) else set()
    names = [name for name in _CELLS if name not in one | set(spared)]
    table = plain_table()
    for name in names:
        table.add_column(
            name, justify="right" if name in _NUMBERS else "left", no_wrap=name == "CALL", overflow="fold"
        )  # the id is to be copied
    for view in views:
        table.add_row(*(Text(_CELLS[name](view)) for name in names))  # a channel's name may look like markup
    return table


def chosen(views: Sequence[CallView], state: CallState | None, reason: str | None) -> list[CallView]:
    """Return the calls that the filters ask for; a reason may be without its leg.

    Raises:
        typer.BadParameter: there is no such reason.

    """
    if reason is not None:
        reason_named(reason)
    return [
        view
        for view in views
        if state in (None, view.state) and (reason is None or reason in (view.reason, view.reason_kind))
    ]


def summary(views: Sequence[CallView], every: Sequence[CallView]) -> str:
    """Return how many calls there are, by state, and by reason without the leg."""
    total = f"{len(every)} call" + ("" if len(every) == 1 else "s")
    if len(views) != len(every):
        total = f"{len(views)} of {total}"
    parts = []
    for state, count in Counter(view.state for view in views).most_common():
        kinds = Counter(view.reason_kind for view in views if view.state == state and view.reason_kind)
        reasons = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
        parts.append(f"{count} {state}" + (f" ({reasons})" if reasons else ""))
    return f"{total}: {', '.join(parts)}" if parts else total


def held(health: Health) -> str:
    """Return the line that says for how long, and by whom, all calls are held; empty if they are not."""
    if health.blocked is None:
        return ""
    who = f"for {age(health.blocked.age)}, by {health.blocked.by}"
    return (
        f"ALL HELD {who}: Asterisk relays every call, those to come too, until `stasis-offload offload --all`"
    )


def drained(health: Health) -> str:
    """Return the line that says that the node is drained; empty if it is not."""
    if not health.drained:
        return ""
    return "DRAINED: the dialplan refuses new calls, until `stasis-offload drain --undo`"


def passed_by(health: Health) -> str:
    """Return how many calls were left to Dial(), and why."""
    total = sum(health.passed_by.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in health.passed_by.items() if count)
    return f"passed by: {total}" + (f" ({reasons})" if reasons else "")
