"""The command that surveys the calls of an Asterisk, before its dialplan is changed."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stasis_offload.cli.typed import AsJson, age, commands, console, plain_table
from stasis_offload.config_sections import AsteriskSettings
from stasis_offload.media.reasons import EXPLANATIONS
from stasis_offload.media.survey import Survey
from stasis_offload.surveying import surveyed

_SOCKET = AsteriskSettings().control_socket


@commands.command()
def survey(
    *,
    duration: Annotated[float, typer.Option("--for", metavar="SECONDS", min=0, help="How long.")] = 0,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Between two looks.")] = 5,
    socket: Annotated[Path, typer.Option(metavar="PATH", help="Asterisk's CLI socket.")] = _SOCKET,
    as_json: AsJson = False,
) -> None:
    """Say how many of Asterisk's calls the switch could carry, whoever made them, and what stands against the others.

    It looks once, or for some time (Ctrl+C ends that early). It needs the module res_rtpstreams alone, and changes nothing.
    """
    found = asyncio.run(_found(socket, duration=duration, every=every))
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
        return
    typer.echo(_summary(found))
    if reasons := found.by_reason():
        table = plain_table()
        table.add_column("REASON", no_wrap=True)
        table.add_column("CALLS", justify="right")
        for name in ("FOR EXAMPLE", "MEANS"):
            table.add_column(name, overflow="fold")
        for kind, count, call in reasons:
            detail = f" ({call.reason.detail})" if call.reason and call.reason.detail else ""
            table.add_row(
                *map(Text, (kind, str(count), " ".join(call.channels) + detail, EXPLANATIONS[kind]))
            )
        console().print(table)


async def _found(socket: Path, *, duration: float, every: float) -> Survey:
    found = Survey()
    with suppress(asyncio.CancelledError):  # Ctrl+C
        async for found in surveyed(socket, duration=duration, every=every):  # noqa: B007 - the last is wanted
            pass
    return found


def _summary(found: Survey) -> str:
    calls = len(found.calls)
    if not calls:
        return "no call was bridged"
    share = f"{found.eligible} of {calls} calls could be carried by the switch ({found.eligible / calls:.0%})"
    if not found.seconds:
        return share
    return f"{share}, for {found.eligible_seconds / found.seconds:.0%} of their {age(found.seconds)}"


def _as_json(found: Survey) -> dict[str, object]:
    return {
        "calls": len(found.calls),
        "eligible": found.eligible,
        "seconds": round(found.seconds, 3),
        "eligible_seconds": round(found.eligible_seconds, 3),
        "reasons": [
            {
                "reason": kind,
                "calls": count,
                "example": list(call.channels),
                "detail": call.reason and call.reason.detail,
            }
            for kind, count, call in found.by_reason()
        ],
    }
