"""The command line against the interface it speaks to: output, exit status, and one sentence when it fails."""

import asyncio
import logging
import os
import pwd
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

import pytest
from aiohttp import web

from stasis_offload.calls.views import Block
from stasis_offload.media.state import Phase
from stasis_offload.signalling.dial_options import OPTIONS
from tests.support.command_line import Command, Outcome, in_another_process, in_another_thread
from tests.support.fake_operations import OFFLOADED, REFUSED, FakeOperations

pytestmark = pytest.mark.usefixtures("configured")


@contextmanager
def stranger(path: Path, answer: web.Response) -> Iterator[None]:
    """Let something that is not ours listen at our socket."""

    async def main(up: Future[str], down: asyncio.Event) -> None:
        async def say(request: web.BaseRequest) -> web.Response:
            del request
            return answer

        runner = web.ServerRunner(web.Server(say))
        await runner.setup()
        await web.UnixSite(runner, path).start()
        up.set_result("up")
        await down.wait()
        await runner.cleanup()

    with in_another_thread(main):
        yield


def test_the_log_says_who_had_the_media_moved(command: Command, operations: FakeOperations) -> None:
    for words in (("relay", OFFLOADED.call), ("offload", "--all"), ("relay", "unknown")):
        command(*words)
    user = pwd.getpwuid(os.getuid()).pw_name
    common = {"log_level": "info", "user": user, "program": f"stasis-offload, user {user}"}
    assert operations.logged == [
        {"event": "operator.relay", "call": OFFLOADED.call, **common},
        {"event": "operator.offload", "call": "all", **common},
        {"event": "operator.relay", "call": "unknown", **common},
    ]


def test_behind_sudo_it_says_who_that_was(
    command: Command, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    command("offload", "--all")
    assert operations.logged[0]["program"] == "stasis-offload, user alice"


def test_calls_says_first_that_all_are_held(command: Command, operations: FakeOperations) -> None:
    before = command("calls").out
    operations.blocked = Block(764.5, "root (stasis-offload, user alice)")
    first, _, rest = command("calls").out.partition("\n")
    assert first == (
        "ALL HELD for 0:12:44, by root (stasis-offload, user alice):"
        " Asterisk relays every call, those to come too, until `stasis-offload offload --all`"
    )
    assert rest == before
    operations.views = []
    assert command("calls").out.partition("\n")[0] == first


def test_who_has_all_calls_held_is_remembered(command: Command, operations: FakeOperations) -> None:
    command("relay", "--all")
    assert operations.by == f"{getuser()} (stasis-offload, user {getuser()})"


def test_the_node_is_drained_calls_says_so_first_and_it_is_undone(
    command: Command, operations: FakeOperations
) -> None:
    before = command("calls").out
    assert command("drain") == Outcome(
        0,
        "drained: new calls are refused, by the dialplan's lines of docs/topologies.md, until `stasis-offload drain --undo`; still up: 2 calls\n",
        "",
    )
    first, _, rest = command("calls").out.partition("\n")
    assert first == "DRAINED: the dialplan refuses new calls, until `stasis-offload drain --undo`"
    assert rest == before
    outcome = command("drain", "--undo")
    assert outcome == Outcome(0, "in service: new calls are taken again; still up: 2 calls\n", "")
    assert command("calls").out == before
    assert [(line["event"], line["drained"]) for line in operations.logged] == [
        ("operator.drain", True),
        ("operator.drain", False),
    ]


def test_the_level_of_the_log_is_changed(command: Command, operations: FakeOperations) -> None:
    ours = logging.getLogger("stasis_offload")
    ours.setLevel(logging.INFO)
    try:
        outcome = command("log", "debug")
        assert outcome.out == "log level: debug, was info (until `systemctl reload` or a restart)\n"
        assert ours.level == logging.DEBUG
        outcome = command("log", "loud")
        assert (outcome.status, ours.level) == (2, logging.DEBUG)
        assert "'loud' is not one of debug, info, warning, error" in outcome.err
    finally:
        ours.setLevel(logging.NOTSET)
    [line] = operations.logged
    assert (line["event"], line["to"], line["was"]) == ("operator.log", "debug", "info")


def test_the_configuration_alone_is_read(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("config") == Outcome(0, "the configuration is right\n", "")
    monkeypatch.setenv("STASIS_OFFLOAD_MEDIA__GRACE", "-1")
    outcome = command("config")
    assert (outcome.status, outcome.out) == (78, "")
    assert "media.grace: given '-1', expected seconds, 0 to 3600" in outcome.err


def test_one_call_is_relayed_and_offloaded_again(command: Command, operations: FakeOperations) -> None:
    outcome = command("relay", OFFLOADED.call)
    assert outcome == Outcome(0, "relayed: 1 call (until `stasis-offload offload 1700000000.1`)\n", "")
    outcome = command("offload", OFFLOADED.call)
    assert outcome == Outcome(
        0, "no longer blocked by an operator: 1 call (`stasis-offload calls` shows what carries each)\n", ""
    )
    assert operations.asked == [("relay", OFFLOADED.call), ("offload", OFFLOADED.call)]


def test_all_calls_are_relayed_and_offloaded_again(command: Command, operations: FakeOperations) -> None:
    outcome = command("relay", "--all")
    assert outcome == Outcome(0, "relayed: 2 calls (until `stasis-offload offload --all`)\n", "")
    assert command("offload", "--all").status == 0
    assert operations.asked == [("relay", None), ("offload", None)]


@pytest.mark.parametrize("words", [[], [OFFLOADED.call, "--all"]], ids=["neither", "both"])
@pytest.mark.parametrize("verb", ["relay", "offload"])
def test_one_call_or_all_must_be_said(
    command: Command, operations: FakeOperations, verb: str, words: list[str]
) -> None:
    outcome = command(verb, *words)
    assert outcome.status == 2
    assert "give a CALL or --all" in outcome.err
    assert operations.asked == []


@pytest.mark.usefixtures("operations")
def test_an_unknown_call_is_one_sentence(command: Command) -> None:
    assert command("relay", "x") == Outcome(1, "", "stasis-offload: there is no call 'x'\n")


def test_what_the_application_cannot_do_is_its_own_sentence(
    command: Command, operations: FakeOperations
) -> None:
    operations.failure = REFUSED
    assert command("relay", "--all") == Outcome(1, "", "stasis-offload: the switch is away\n")
    assert command("calls") == Outcome(1, "", "stasis-offload: the switch is away\n")


@pytest.mark.parametrize("dead", [False, True], ids=["no socket", "a socket that was left"])
@pytest.mark.parametrize("words", [["calls"], ["relay", "--all"], ["offload", "x"]])
def test_an_application_that_is_not_running_is_one_sentence(
    command: Command, words: list[str], tmp_path: Path, *, dead: bool
) -> None:
    path = tmp_path / "http.sock"
    if dead:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    sentence = f"stasis-offload: the application is not running: nothing answers at {path}\n"
    assert command(*words) == Outcome(1, "", sentence)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "hello"), (200, "[]"), (200, '{"calls": [1]}'), (200, ""), (500, "oops"), (404, '{"no": 1}')],
)
def test_something_else_at_our_socket_is_one_sentence(
    command: Command, tmp_path: Path, status: int, body: str
) -> None:
    with stranger(tmp_path / "http.sock", web.Response(status=status, text=body)):
        outcome = command("calls")
    assert outcome.status == 1
    assert outcome.err.startswith("stasis-offload: ")
    assert len(outcome.err.splitlines()) == 1


def test_without_a_socket_the_port_is_asked_on_loopback_with_the_token(
    command: Command, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch, token_file: Path
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__SOCKET", "")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__HOST", "0.0.0.0")
    refused = command("relay", "--all")
    assert refused == Outcome(1, "", "stasis-offload: send the token: Authorization: Bearer …\n")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__TOKEN_FILE", str(token_file))
    assert command("relay", "--all").status == 0
    assert operations.asked == [("relay", None)]


def test_without_a_socket_and_a_port_nobody_can_be_asked(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__SOCKET", "")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__PORT", "0")
    outcome = command("calls")
    assert (outcome.status, outcome.err.partition(":")[2]) == (
        78,
        " http.socket, http.port: neither is set, so the running application cannot be asked\n",
    )


@pytest.mark.parametrize("word", ["run", "check"])
def test_a_wrong_configuration_has_a_status_of_its_own_and_names_the_keys(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__PORT", "s3cret")
    monkeypatch.setenv("STASIS_OFFLOAD_LOG__LEVEL", "loud")
    outcome = in_another_process(word)
    assert outcome.status == 78
    assert [line.split(":")[0].strip() for line in outcome.err.splitlines()[1:]] == ["http.port", "log.level"]


@pytest.mark.parametrize("words", [["calls"], ["relay", "--all"], ["offload", "--all"]])
@pytest.mark.usefixtures("operations")
def test_what_speaks_to_the_application_alone_needs_its_address_alone(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.delenv("STASIS_OFFLOAD_ARI__PASSWORD")
    monkeypatch.delenv("STASIS_OFFLOAD_OPENFLOW__CONNECTION")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__PASSWORD_FILE", "/nonexistent")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__TOKEN_FILE", "/nonexistent")
    assert command(*words).status == 0
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__PORT", "s3cret")
    outcome = command(*words)
    assert (outcome.status, outcome.out) == (78, "")
    assert [line.split(":")[0].strip() for line in outcome.err.splitlines()[1:]] == ["http.port"]


def test_a_configuration_file_that_is_missing_is_one_sentence(command: Command) -> None:
    outcome = command("calls", "--config", "/nonexistent.toml")
    assert outcome == Outcome(78, "", "stasis-offload: there is no file /nonexistent.toml\n")


def test_a_bare_command_shows_its_help(command: Command) -> None:
    outcome = command()
    assert all(word in outcome.out + outcome.err for word in ("run", "check", "calls", "relay", "offload"))


@pytest.mark.parametrize("asked", [("-h",), ("calls", "-h")])
def test_h_is_help(command: Command, asked: tuple[str, ...]) -> None:
    assert command(*asked).out == command(*asked[:-1], "--help").out != ""


@pytest.mark.parametrize("asked", ["version", "--version"])
def test_version_is_one_line(command: Command, asked: str) -> None:
    outcome = command(asked)
    assert outcome.status in (0, 1)
    assert len((outcome.out + outcome.err).splitlines()) == 1
    assert (outcome.out + outcome.err).startswith("stasis-offload")


def test_every_phase_is_explained_and_with_markdown_what_each_event_does_in_it(command: Command) -> None:
    plain, page = command("phases"), command("phases", "--markdown")
    assert (plain.status, page.status) == (0, 0)
    assert all(phase in plain.out and f"## {phase}\n" in page.out for phase in Phase)


def test_every_option_of_dial_is_explained(command: Command) -> None:
    plain, page = command("options"), command("options", "--markdown")
    assert (plain.status, page.status) == (0, 0)
    missing = [str(o) for o in OPTIONS.values() if str(o) not in plain.out or f"`{o}`" not in page.out]
    assert not missing


def test_an_example_is_printed_by_its_name_or_the_last_part_of_it(command: Command) -> None:
    listed = command("example").out.split()
    unit = command("example", "systemd/stasis-offload.service")
    assert "systemd/stasis-offload.service" in listed
    assert "[Service]" in unit.out
    assert command("example", "stasis-offload.service") == unit
    assert command("example", "README.md").out.startswith("# stasis-offload\n")


def test_an_example_that_is_not_there_is_said(command: Command) -> None:
    assert command("example", "unit") == Outcome(
        1, "", "stasis-offload: there is no 'unit': `stasis-offload example` lists all names\n"
    )
