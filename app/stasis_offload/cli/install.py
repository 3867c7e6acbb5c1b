"""The commands of an installation: what came with it, and setting it up."""

from typing import Annotated

import typer

from stasis_offload import examples
from stasis_offload.cli.typed import commands

_Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A name that `example` lists.")]


@commands.command()
def example(name: _Name = None) -> None:
    """Print a file that comes with the application: a unit, a dialplan, a page; without NAME list them."""
    if name is not None:
        typer.echo(examples.contents(name), nl=False)
        return
    typer.echo(f"{examples.folder()}:")
    for one in examples.names():
        typer.echo(f"  {one}")
