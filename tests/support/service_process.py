"""The application as a process of its own, as systemd starts it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

WITHIN = 120.0
PASSWORD = "s3cret-of-this-test"


def environment_of(directory: Path, *, port: int) -> dict[str, str]:
    """Return the configuration for an Asterisk and a switch that are not there; its own files are in the directory."""
    ours = {
        "ARI__URL": "http://127.0.0.1:1",
        "ARI__USERNAME": "offload",
        "ARI__PASSWORD": PASSWORD,
        "ASTERISK__CONTROL_SOCKET": str(directory / "asterisk.ctl"),
        "OPENFLOW__CONNECTION": f"unix:{directory}/breth0.mgmt",
        "HTTP__SOCKET": str(directory / "http.sock"),
        "HTTP__PORT": str(port),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STASIS_OFFLOAD_")}
    return inherited | {f"STASIS_OFFLOAD_{name}": value for name, value in ours.items()}


@asynccontextmanager
async def started(
    environment: Mapping[str, str], *options: str, command: str = "run"
) -> AsyncIterator[Process]:
    """Run it, or another command, and kill it at the end of the block, which has its time."""
    words = [sys.executable, "-m", "stasis_offload", command, *options]
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(WITHIN):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
