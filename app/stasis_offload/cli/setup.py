"""The command that sets a host up: shows what it would do, asks, and does it."""

import os
import secrets
import shlex
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from stasis_offload import setup_host
from stasis_offload.cli.typed import ask, commands
from stasis_offload.errors import OffloadError
from stasis_offload.setup_plan import CONFIG, PASSWORD, Change, Command, plan_setup, plan_undo

_Bridge = Annotated[
    str | None, typer.Option(metavar="BRIDGE", help="The bridge that the RTP passes, if there are several.")
]
_Etc = Annotated[Path, typer.Option(metavar="DIR", help="The directory of Asterisk's configuration.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_Undo = Annotated[bool, typer.Option("--undo", help="Take it back: Asterisk's files as they were before.")]


@commands.command()
def setup(
    *,
    bridge: _Bridge = None,
    asterisk_etc: _Etc = Path("/etc/asterisk"),
    dry_run: _DryRun = False,
    yes: _Yes = False,
    undo: _Undo = False,
) -> None:
    """Set this host up: what Asterisk, systemd and the application lack; nothing that is there is overwritten."""
    if os.geteuid() != 0:
        raise OffloadError("setup reads and writes files of root's: run it as root")
    if not asterisk_etc.is_dir():
        raise OffloadError(f"{asterisk_etc} is no directory: give Asterisk's by --asterisk-etc")
    read = setup_host.reader(asterisk_etc)
    if undo:
        plan = plan_undo(setup_host.look(asterisk_etc, bridge=""), read=read)
    else:
        plan = plan_setup(
            setup_host.look(asterisk_etc, setup_host.bridge_of(bridge)),
            {name: setup_host.contents(Path(name)) for name in (CONFIG, PASSWORD)},
            read=read,
            included=setup_host.includer(asterisk_etc),
            new_password=secrets.token_urlsafe(24),
        )
    for step in plan.steps:
        typer.echo("\n".join(_shown(step)))
    for remark in plan.remarks:
        typer.echo(f"note: {remark}")
    if not plan.steps:
        typer.echo("nothing to do")
    elif not dry_run:
        ask("Do it?", yes=yes)
        for step in plan.steps:
            setup_host.apply(step)
        typer.echo("undone" if undo else "set up; next: `stasis-offload check`")


def _shown(step: Change | Command) -> Iterator[str]:
    """Yield what a step is, as lines of a diff or as a command line, without secrets."""
    if not isinstance(step, Change):
        yield f"# {shlex.join(step)}"
    elif step.secret:
        made = (
            "is removed"
            if step.after is None
            else f"is made, for {step.rights.owner} and {step.rights.group}"
        )
        yield f"# {step.path} (with the password of ARI) {made}"
    else:
        before, after = (_lines(text) for text in (step.before, step.after))
        old, new = ("/dev/null" if text is None else step.path for text in (step.before, step.after))
        yield from unified_diff(before, after, old, new, n=1, lineterm="")


def _lines(text: bytes | None) -> list[str]:
    return (text or b"").decode(errors="replace").splitlines()
