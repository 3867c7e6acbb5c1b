"""What the tests of the front share: the command line, and what it speaks to."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stasis_offload import config
from stasis_offload.cli.main import main
from stasis_offload.config_sections import HttpSettings, SecretFile
from stasis_offload.http_api import serve
from tests.support.command_line import Command, Outcome, in_another_thread
from tests.support.fake_operations import FakeOperations, no_metrics


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of loopback at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have SIGINT interrupt this process, and what it starts: a shell has what it runs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int) -> None:
    for name in [name for name in os.environ if name.upper().startswith(config.ENV_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "none.toml")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__URL", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__USERNAME", "offload")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__PASSWORD", "s3cret")
    monkeypatch.setenv("STASIS_OFFLOAD_ASTERISK__CONTROL_SOCKET", str(tmp_path / "asterisk.ctl"))
    monkeypatch.setenv("STASIS_OFFLOAD_OPENFLOW__CONNECTION", f"unix:{tmp_path}/breth0.mgmt")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__SOCKET", str(tmp_path / "http.sock"))
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__PORT", str(free_port))


@pytest.fixture
def command(
    configured: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    def command(*words: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["stasis-offload", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Outcome(status, out, err)

    return command


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("open sesame\n")
    return file


@pytest.fixture
def operations(free_port: int, tmp_path: Path, token_file: Path) -> Iterator[FakeOperations]:
    operations = FakeOperations()
    settings = HttpSettings(
        socket=tmp_path / "http.sock",
        port=free_port,
        token_file=SecretFile(token_file, token_file.read_text().strip()),
    )

    async def main(up: Future[str], down: asyncio.Event) -> None:
        async with serve(settings, operations, no_metrics) as places:
            up.set_result(places[0])
            await down.wait()

    with capture_logs() as operations.logged, in_another_thread(main):
        yield operations
