"""An Asterisk in a container of its own, with the configuration that a test gives it, and its ARI on this host's loopback."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

IMAGE = os.environ.get("STASIS_OFFLOAD_ASTERISK_IMAGE", "stasis-offload-lab/asterisk2")
_BOOTED_WITHIN = 120.0


class Asterisk:
    """A container with Asterisk in it, and where its ARI is."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"

    async def cli(self, command: str) -> str:
        return await docker("exec", self.name, "asterisk", "-rx", command)


async def docker(*words: str) -> str:
    process = await asyncio.create_subprocess_exec("docker", *words, stdout=-1, stderr=-2)
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(directory: Path, files: Mapping[str, str]) -> Iterator[Asterisk]:
    """Run an Asterisk with these files, which have its `astetcdir` as /cfg, until the block ends."""
    for name, text in files.items():
        (directory / name).write_text(text)
    asterisk = Asterisk(f"stasis-offload-test-{directory.name}-{os.getpid()}", free_port())
    publish = asterisk.url.removeprefix("http://") + ":8088"
    run = ["docker", "run", "--detach", "--name", asterisk.name, "--publish", publish]
    command = ["asterisk", "-f", "-C", "/cfg/asterisk.conf"]
    subprocess.run(
        [*run, "--volume", f"{directory}:/cfg:ro", IMAGE, *command], check=True, capture_output=True
    )
    booted = f"timeout {_BOOTED_WITHIN:.0f} sh -c 'until asterisk -C /cfg/asterisk.conf -rx \"core waitfullybooted\"; do sleep 0.1; done'"
    try:
        subprocess.run(["docker", "exec", asterisk.name, "sh", "-c", booted], check=True, capture_output=True)
        yield asterisk
    finally:
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", asterisk.name], check=True, capture_output=True
        )
