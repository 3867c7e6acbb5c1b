"""Asterisk's CLI socket: what is said over it, and that whatever is at its other end gives an answer or an error.

The other end is a socket of this test, because a real Asterisk does not misbehave when told to;
tests/integration/test_controlsocket.py speaks with a real one.
"""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stasis_offload.asterisk.control_socket import UnknownCommandError, ask
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.errors import ModuleError

GREETING = b"pbx/1234/22.10.1\n"
# Longer than anything here takes, so that a test that hangs fails and one that passes never waits for it.
DEADLINE = 10.0

Speaker = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def other_end(path: Path, speak: Speaker) -> AsyncIterator[list[bytes]]:
    """Listen at `path`; greet, hand each line that comes to `speak`, send what it returns and close."""
    lines: list[bytes] = []
    served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines.append(await reader.readuntil(b"\0"))
            writer.write(await speak(lines[-1]))
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served[asyncio.create_task(serve(reader, writer))] = writer

    before = asyncio.all_tasks()
    server = await asyncio.start_unix_server(begin, path)
    try:
        yield lines
    finally:
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening)
        await asyncio.sleep(
            0
        )  # what asyncio has accepted and not begun with when the server closes stays open until collected
        server.close()
        async with asyncio.timeout(DEADLINE):
            # Who still asks, what serves them, and what was accepted and is yet to be served.
            while begun := asyncio.all_tasks() - before - {asyncio.current_task()}:
                for task, writer in served.items():
                    task.cancel()
                    writer.close()  # a task that has not begun does not
                await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(
            *served, *(writer.wait_closed() for writer in served.values()), return_exceptions=True
        )


def saying(answer: bytes) -> Speaker:
    async def speak(line: bytes) -> bytes:
        del line
        return answer

    return speak


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asterisk.ctl"


async def test_one_command_is_sent_as_asterisks_own_client_sends_it(path: Path) -> None:
    async with other_end(path, saying(GREETING + b"line 1\nline 2\n")) as lines:
        assert await ask(path, "core show version", connect_within=DEADLINE) == "line 1\nline 2\n"
    assert lines == [b"cli quit after core show version\0"]


async def test_colours_are_taken_out(path: Path) -> None:
    async with other_end(path, saying(GREETING + b"\x1b[1;32mgreen\x1b[0m\n")):
        assert await ask(path, "x", connect_within=DEADLINE) == "green\n"


async def test_a_bridge_id_is_one_word_whatever_is_in_it(path: Path) -> None:
    async with other_end(path, saying(GREETING)) as lines:
        assert await RtpStreams(path).report('a "b" \\c') == ()
    assert lines == [b'cli quit after rtpstreams json "a \\"b\\" \\\\c"\0']


async def test_no_answer_by_the_deadline_is_an_error(path: Path) -> None:
    async def say_nothing(line: bytes) -> bytes:
        del line
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with other_end(path, say_nothing):
        with pytest.raises(ModuleError, match=rf"^{path}: no answer to 'rtpstreams version' within 0.05 s$"):
            await RtpStreams(path, deadline=0.05).version()


async def test_a_question_that_waits_for_its_turn_has_its_own_deadline(path: Path) -> None:
    async with hanging(path):
        module = RtpStreams(path, deadline=0.05)
        results = await asyncio.gather(*(module.report(str(n)) for n in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {ModuleError}


@asynccontextmanager
async def hanging(path: Path, *, at: bytes = b"") -> AsyncIterator[list[bytes]]:
    """Listen at `path`, and answer what has `at` in it, so every command, only when the block ends."""
    ended = asyncio.Event()

    async def hang(line: bytes) -> bytes:
        if at in line:
            await ended.wait()
        return GREETING

    async with other_end(path, hang) as lines:
        yield lines
        ended.set()


async def test_a_few_questions_are_asked_at_a_time(path: Path) -> None:
    under_way = 0
    most = 0

    async def count(line: bytes) -> bytes:
        nonlocal under_way, most
        del line
        under_way += 1
        most = max(most, under_way)
        await asyncio.to_thread(os.getpid)  # lets every other question go ahead that would
        under_way -= 1
        return GREETING

    async with other_end(path, count):
        module = RtpStreams(path, deadline=DEADLINE)
        assert set(await asyncio.gather(*(module.report(str(n)) for n in range(40)))) == {()}
    assert 1 < most <= 4


async def test_one_call_whose_answer_hangs_keeps_no_other_waiting_and_is_not_asked_about_twice(
    path: Path,
) -> None:
    async with hanging(path, at=b"stuck") as lines:
        module = RtpStreams(path, deadline=DEADLINE)
        stuck = asyncio.create_task(module.report("stuck"))
        for n in range(20):
            assert await module.report(str(n)) == ()
        stuck.cancel()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(module.report("stuck"), 0.02)
        assert sum(b"stuck" in line for line in lines) == 1
        # However many are given up, the others have their turn.
        for n in range(20):
            assert await module.report(str(n)) == ()


async def test_interrupted_questions_leave_the_next_ones_their_answer(path: Path) -> None:
    """As when Asterisk's accepting thread has little time: they fill its backlog, and are answered late."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.setblocking(False)  # noqa: FBT003 - positional only
        module = RtpStreams(path, deadline=DEADLINE)
        for n in range(6):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(module.report(f"interrupted {n}"), 0.002)
        answering = asyncio.create_task(answer_slowly(listener))
        answers = await asyncio.gather(*(module.report(str(n)) for n in range(10)))
        answering.cancel()
    assert answers == [()] * 10


async def answer_slowly(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(0.01)
        connection, _ = await loop.sock_accept(listener)
        with connection, suppress(BrokenPipeError):  # of a client that did not wait
            await loop.sock_sendall(connection, GREETING)
            await loop.sock_recv(connection, 512)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "not Asterisk's CLI; it greets with ''"),
        (
            b"No more connections allowed\n",
            "not Asterisk's CLI; it greets with 'No more connections allowed'",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not Asterisk's CLI"),
        (
            GREETING + b"You don't have permissions to run 'x' command\n",
            "'x' was refused: cli_permissions.conf does not let our user run it",
        ),
        (GREETING + b"Command 'x' cannot be run during shutdown\n", "could not run it or is shutting down"),
        (GREETING + b"Command 'x' failed.\n", "could not run it or is shutting down"),
        (GREETING + b"x" * 17_000_000, "longer than 16777216 bytes"),
    ],
)
async def test_what_is_no_answer_is_an_error_with_its_cause(path: Path, answer: bytes, cause: str) -> None:
    async with other_end(path, saying(answer)):
        with pytest.raises(ModuleError) as caught:
            await ask(path, "x", connect_within=DEADLINE)
    assert str(caught.value).startswith(f"{path}: ")
    assert cause in str(caught.value)


async def test_a_command_that_asterisk_does_not_know_is_told_apart(path: Path) -> None:
    async with other_end(path, saying(GREETING + b"No such command 'x' (type 'core show help x'...)\n")):
        with pytest.raises(UnknownCommandError):
            await ask(path, "x", connect_within=DEADLINE)


@pytest.mark.parametrize("command", ["x" * 500, "a\0b", "\0"])
async def test_a_command_that_asterisk_could_not_read_whole_is_not_sent(path: Path, command: str) -> None:
    with pytest.raises(ModuleError, match="not a command Asterisk can read"):
        await ask(path, command, connect_within=DEADLINE)


NO_COMMAND = GREETING + b"No such command 'rtpstreams version' (type 'core show help' ...)\n"
BOOTED = GREETING + b"Asterisk has fully booted.\n"
VERSION = GREETING + b"res_rtpstreams 0.1.0\n"


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ([NO_COMMAND, BOOTED, NO_COMMAND], "`asterisk -rx 'module load res_rtpstreams.so'` says why not"),
        ([NO_COMMAND, NO_COMMAND], "says why not"),
        (
            [NO_COMMAND, GREETING + b"You don't have permissions to run 'core waitfullybooted' command\n"],
            "says why not, unless Asterisk has not fully booted: {path}: 'core waitfullybooted' was refused: cli_permissions.conf does not let our user run it",
        ),
    ],
)
async def test_a_module_that_is_not_there_is_named(path: Path, answers: list[bytes], cause: str) -> None:
    rest = iter(answers)

    async def one_after_the_other(line: bytes) -> bytes:
        del line
        return next(rest)

    async with other_end(path, one_after_the_other) as lines:
        with pytest.raises(ModuleError) as caught:
            await RtpStreams(path).version()
    assert str(caught.value).startswith(f"{path}: res_rtpstreams is not loaded; ")
    assert str(caught.value).endswith(cause.format(path=path))
    assert len(lines) == len(answers)


async def test_an_asterisk_that_boots_is_asked_again_when_it_has(path: Path) -> None:
    rest = iter([NO_COMMAND, BOOTED, VERSION])

    async def one_after_the_other(line: bytes) -> bytes:
        del line
        return next(rest)

    async with other_end(path, one_after_the_other) as lines:
        assert await RtpStreams(path).version() == "0.1.0"
    assert lines[1] == b"cli quit after core waitfullybooted\0"


async def test_an_answer_that_was_cut_off_names_the_socket(path: Path) -> None:
    async with other_end(path, saying(GREETING + b'{"channel": "PJS')):
        with pytest.raises(ModuleError, match=rf"^{path}: rtpstreams: the answer is cut off"):
            await RtpStreams(path).report("offload-1")


@pytest.mark.parametrize(
    "answer", [b"", b"res_rtpstreams\n", b"res_rtpstreams 0.1\n", b"res_rtpstreams 0.1.0"]
)
async def test_a_version_that_is_none_is_an_error(path: Path, answer: bytes) -> None:
    async with other_end(path, saying(GREETING + answer)):
        with pytest.raises(ModuleError, match="`rtpstreams version` printed"):
            await RtpStreams(path).version()


async def test_a_socket_that_is_missing_or_deserted_is_named(path: Path) -> None:
    with pytest.raises(ModuleError, match=rf"^{path}: no such socket; Asterisk is not running"):
        await ask(path, "x", connect_within=DEADLINE)
    with socket.socket(socket.AF_UNIX) as deserted:
        deserted.bind(str(path))
    with pytest.raises(ModuleError, match=rf"^{path}: no process listens; Asterisk is not running"):
        await ask(path, "x", connect_within=DEADLINE)


async def test_a_socket_without_permission_is_named(path: Path) -> None:
    async with other_end(path, saying(GREETING)):
        os.chmod(path, stat.S_IRUSR)  # noqa: PTH101 - a local socket blocks nobody
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)  # root is refused nothing
        try:
            with pytest.raises(ModuleError, match=r": no permission; `stasis-offload check`"):
                await ask(path, "x", connect_within=DEADLINE)
        finally:
            os.seteuid(user)


async def test_a_full_backlog_is_an_error_and_not_a_connection(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(path))
            with pytest.raises(ModuleError, match="too many connections wait for Asterisk"):
                await ask(path, "x", connect_within=0.1)


async def test_a_full_backlog_that_empties_is_no_error(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(path))
            asked = asyncio.create_task(ask(path, "x", connect_within=DEADLINE))
            await asyncio.sleep(0)
            listener.setblocking(False)  # noqa: FBT003 - positional only
            answering = asyncio.create_task(answer_slowly(listener))
            waiting.close()
            assert await asked == ""
            answering.cancel()


@given(answer=st.binary() | st.binary().map(lambda rest: GREETING + rest))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_said_is_an_answer_or_a_named_error(tmp_path: Path, answer: bytes) -> None:
    async def once() -> None:
        path = tmp_path / "asterisk.ctl"
        path.unlink(missing_ok=True)
        async with other_end(path, saying(answer)):
            try:
                assert isinstance(await RtpStreams(path, deadline=DEADLINE).report("x"), tuple)
            except ModuleError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right

    asyncio.run(once())
