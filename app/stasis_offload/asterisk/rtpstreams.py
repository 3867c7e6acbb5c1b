"""Client of the module res_rtpstreams: reports on the legs of a bridge, strictly parsed."""

import asyncio
import json
import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from stasis_offload.asterisk.control_socket import UnknownCommandError, ask
from stasis_offload.asterisk.leg_report import Glue, LegReport, RtcpMode
from stasis_offload.errors import ModuleError
from stasis_offload.measures import Requests
from stasis_offload.packets.address import Address

# What to type in a shell when Asterisk has no such command, and what an error says of it.
LOAD = "asterisk -rx 'module load res_rtpstreams.so'"
HOW_TO_LOAD = f"; `{LOAD}` says why not"

_VERSION = re.compile(r"res_rtpstreams (\d+\.\d+\.\d+)\n")

_MAX_PAYLOAD_TYPE = 127
_RATE = re.compile(r"[0-9]{1,6}")
_MAX_SSRC = 0xFFFFFFFF
_MAX_COUNT = 2**64 - 1

_Word = TypeVar("_Word", bound=StrEnum)


# Commands that run at a time: one that waits for a locked RTP instance must not keep the others waiting.
_AT_A_TIME = 4


class RtpStreams:
    """The CLI command `rtpstreams` of one Asterisk.

    A few queries run at a time, of one bridge only one: each has a thread of Asterisk, of which there are 128 for all consoles,
    and which ends with the answer, whether or not anybody still waits for it (main/asterisk.c, netconsole()). `measured` is of
    all of them.
    """

    def __init__(self, socket: Path, *, deadline: float = 2.0) -> None:
        self._socket = socket
        self._deadline = deadline
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._running: dict[str, asyncio.Task[str]] = {}
        self.measured = Requests()

    async def report(self, bridge_id: str) -> tuple[LegReport, ...]:
        """Return one report per channel of the bridge; none if there is no such bridge.

        Raises:
            ModuleError: naming the socket and the cause.

        """
        return await self._reports(f"rtpstreams json {_quoted(bridge_id)}")

    async def report_all(self) -> tuple[LegReport, ...]:
        """Return one report per channel of every bridge of Asterisk, whoever made it.

        Raises:
            ModuleError: naming the socket and the cause.

        """
        return await self._reports("rtpstreams json")

    async def _reports(self, command: str) -> tuple[LegReport, ...]:
        answer = await self._ask(command)
        try:
            return parse_reports(answer)
        except ModuleError as error:
            raise ModuleError(f"{self._socket}: {error}") from error

    async def version(self) -> str:
        """Return the version of the module (`X.Y.Z`).

        Raises:
            ModuleError: naming the socket and the cause.

        """
        answer = await self._ask("rtpstreams version")
        found = _VERSION.fullmatch(answer)
        if not found:
            raise ModuleError(f"{self._socket}: `rtpstreams version` printed {answer[:60]!r}")
        return found[1]

    async def _ask(self, command: str) -> str:
        """Run the command; if Asterisk does not have it yet, run it once more after Asterisk has fully booted."""
        try:
            return await self._run(command)
        except UnknownCommandError:
            missing = f"{self._socket}: res_rtpstreams is not loaded{HOW_TO_LOAD}"
        try:
            await self._run("core waitfullybooted")
            return await self._run(command)
        except UnknownCommandError as error:
            raise ModuleError(missing) from error
        except ModuleError as error:
            raise ModuleError(f"{missing}, unless Asterisk has not fully booted: {error}") from error

    async def _run(self, command: str) -> str:
        """Run a command once it is not running already, for somebody who has given up waiting for it."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._deadline):
                while earlier := self._running.get(command):
                    await asyncio.wait([earlier])
                async with self._turns:
                    answer = await asyncio.shield(self._start(command))
        except TimeoutError as error:
            self.measured.unanswered()
            raise ModuleError(
                f"{self._socket}: no answer to {command!r} within {self._deadline:g} s"
            ) from error
        except UnknownCommandError:
            self.measured.refused(now() - began)
            raise
        except ModuleError:
            self.measured.unanswered()
            raise
        self.measured.answered(now() - began)
        return answer

    def _start(self, command: str) -> asyncio.Task[str]:
        asked = ask(self._socket, command, connect_within=self._deadline)
        running = self._running[command] = asyncio.create_task(asked)
        running.add_done_callback(lambda done: self._end(command, done))
        return running

    def _end(self, command: str, done: asyncio.Task[str]) -> None:
        if self._running.get(command) is done:
            del self._running[command]
        if not done.cancelled():
            done.exception()  # who waited has it; if nobody does, it matters to nobody


def parse_reports(text: str) -> tuple[LegReport, ...]:
    """Parse the output of `rtpstreams json`: one JSON object per line (asterisk-module/README.md).

    Unknown keys are ignored, so that the module may add some; a missing key or one of the wrong type is an error.

    Raises:
        ModuleError: naming the line and the key that are not as documented.

    """
    *lines, rest = text.split("\n")
    if rest:
        raise ModuleError(f"rtpstreams: the answer is cut off in line {len(lines) + 1}")
    return tuple(_parse_report(_Fields(line, number)) for number, line in enumerate(lines, 1))


def _parse_report(fields: "_Fields") -> LegReport:
    return LegReport(
        channel=fields.text("channel"),
        channel_id=fields.text("channel_id"),
        state=fields.text("state"),
        peer_id=fields.text_or_none("peer_id"),
        bridge_id=fields.text("bridge_id"),
        bridge_technology=fields.text("bridge_technology"),
        bridge_channels=fields.number("bridge_channels"),
        glue=fields.word("glue", Glue),
        video_glue=fields.word("video_glue", Glue),
        local=fields.address("local"),
        remote=fields.address("remote"),
        sdp=fields.address("sdp"),
        format_tx=fields.text("format_tx"),
        format_rx=fields.text("format_rx"),
        formats=fields.texts("formats"),
        audio_pt_tx=fields.number_or_none("audio_pt_tx", most=_MAX_PAYLOAD_TYPE),
        audio_pt_rx=fields.number_or_none("audio_pt_rx", most=_MAX_PAYLOAD_TYPE),
        event_pts_tx=fields.payload_types("event_pts_tx"),
        event_pts_rx=fields.payload_types("event_pts_rx"),
        ptime=fields.number("framing_ms"),
        rtcp=fields.word("rtcp", RtcpMode),
        srtp=fields.flag("srtp"),
        dtls=fields.flag("dtls"),
        ice=fields.flag("ice"),
        symmetric=fields.flag("symmetric"),
        hold=fields.flag("hold"),
        audio_hook=fields.flag("audio_hook"),
        dtmf_hooks=fields.flag("dtmf_hooks"),
        generator=fields.flag("generator"),
        t38=fields.flag("t38"),
        local_bridge=fields.flag("local_bridge"),
        ssrc_tx=fields.number_or_none("ssrc_tx", most=_MAX_SSRC),
        ssrc_rx=fields.number_or_none("ssrc_rx", most=_MAX_SSRC),
        packets_tx=fields.number("packets_tx"),
        packets_rx=fields.number("packets_rx"),
        idle=fields.number_or_none("idle_s"),
        rtp_timeout=fields.number("rtp_timeout_s"),
        rtp_keepalive=fields.number("rtp_keepalive_s"),
        protocol_id=fields.text_if_any("protocol_id"),
    )


# The addresses of a call are read again at each audit, and its three are the same.
_address = lru_cache(maxsize=8192)(Address.parse)


class _Fields:
    """The keys of one line, each parsed as exactly one type."""

    def __init__(self, line: str, number: int) -> None:
        self._number = number
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ModuleError(f"rtpstreams: line {number} is not JSON: {line[:60]!r}") from error
        if not isinstance(fields, dict):
            raise ModuleError(f"rtpstreams: line {number} is not a JSON object: {line[:60]!r}")
        self._fields: dict[str, object] = fields

    def text(self, key: str) -> str:
        return self._text(key, self._get(key))

    def text_or_none(self, key: str) -> str | None:
        return None if self._get(key) is None else self.text(key)

    def text_if_any(self, key: str) -> str | None:
        """Return a text that no call depends on; None if it is not one, or the module does not have it yet."""
        value = self._fields.get(key)
        return value if isinstance(value, str) and value.isprintable() else None

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key)
        if not isinstance(values, list):
            raise self._error(key, "a list of names")
        return tuple(self._text(key, value) for value in values)

    def number(self, key: str, *, most: int = _MAX_COUNT) -> int:
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise self._error(key, f"a whole number, 0 to {most}")
        return value

    def number_or_none(self, key: str, *, most: int = _MAX_COUNT) -> int | None:
        return None if self._get(key) is None else self.number(key, most=most)

    def payload_types(self, key: str) -> dict[int, int]:
        """Return payload types by clock rate (Hz)."""
        values = self._get(key)
        if not isinstance(values, dict) or not all(
            _RATE.fullmatch(rate) and type(number) is int and 0 <= number <= _MAX_PAYLOAD_TYPE
            for rate, number in values.items()
        ):
            raise self._error(key, "payload types by clock rate")
        return {int(rate): number for rate, number in values.items()}

    def flag(self, key: str) -> bool:
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._error(key, "true or false")
        return value

    def word(self, key: str, words: type[_Word]) -> _Word:
        value = self._get(key)
        try:
            return words(str(value))
        except ValueError:
            raise self._error(key, "one of " + ", ".join(words)) from None

    def address(self, key: str) -> Address | None:
        value = self.text_or_none(key)
        if value is None:
            return None
        try:
            return _address(value)
        except ValueError as error:
            raise self._error(key, f"an address ({error})") from error

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise self._error(key, "printable text")
        return value

    def _get(self, key: str) -> object:
        if key not in self._fields:
            raise ModuleError(f"rtpstreams: line {self._number} has no {key!r}")
        return self._fields[key]

    def _error(self, key: str, expected: str) -> ModuleError:
        return ModuleError(f"rtpstreams: {key!r} in line {self._number} is not {expected}")


def _quoted(argument: str) -> str:
    """Quote an argument as one word for Asterisk's CLI (main/cli.c, parse_args())."""
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'
