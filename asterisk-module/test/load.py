"""Every answer is checked: rows as documented, or Asterisk's word that the module is unloaded.

Usage: load.py SOCKET ANSWERS CALLS_PER_S ANSWERS_PER_CALL

Over SOCKET (asterisk.ctl) one connection sets up calls, which end by themselves after 1 to 4 s; several put
questions to res_rtpstreams, as many for each call set up, until ANSWERS are in; one more unloads and loads
the module all the while. DTMF hooks are put on channels and taken away again meanwhile, and a feature is run. Prints the figures as one JSON object. Exit status 1 and a sentence when an answer
is wrong, or when channels or bridges outlive the last call.
"""
# ruff: noqa: INP001, T201 - a script that prints

import asyncio
import contextlib
import itertools
import json
import re
import socket
import sys
import time
from collections import Counter
from pathlib import Path

CONNECTIONS = 6
# The time a question may take: under valgrind everything is some thirty times slower.
DEADLINE_S = 60
CALLS_END_S = 60

UNLOADED = "No such command "
ADDRESS = r"(-|\d+\.\d+\.\d+\.\d+:\d+|\[[0-9a-f:]+\]:\d+)"
PLAIN = re.compile(rf"{ADDRESS} {ADDRESS} {ADDRESS} {ADDRESS}")
NUMBER = int | None
TEXT = str | None
ROW = {
    "channel": str, "channel_id": str, "protocol_id": TEXT, "state": str, "peer_id": TEXT,
    "bridge_id": str, "bridge_technology": str, "bridge_channels": int, "glue": str, "video_glue": str,
    "format_tx": str, "format_rx": str, "formats": list, "hold": bool, "audio_hook": bool,
    "dtmf_hooks": bool, "generator": bool, "t38": bool,
    "local": TEXT, "remote": TEXT, "sdp": TEXT,
    "audio_pt_tx": NUMBER, "audio_pt_rx": NUMBER, "event_pts_tx": dict, "event_pts_rx": dict,
    "framing_ms": int, "rtcp": str, "srtp": bool, "dtls": bool, "ice": bool, "symmetric": bool, "local_bridge": bool,
    "ssrc_tx": NUMBER, "ssrc_rx": NUMBER, "packets_tx": int, "packets_rx": int, "idle_s": NUMBER,
    "rtp_timeout_s": int, "rtp_keepalive_s": int,
}  # fmt: skip


class WrongAnswerError(Exception):
    """Asterisk said something it must not say."""


async def ask(path: Path, command: str) -> str:
    """Return what the CLI answers to one command, without the banner line."""
    async with asyncio.timeout(DEADLINE_S):
        # Asterisk listens with a backlog of 2. When that is full a blocking connect waits; asyncio's own goes
        # on as if connected, and the write fails with ENOTCONN.
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(path))
        reader, writer = await asyncio.open_unix_connection(sock=connected)
        try:
            writer.write(f"cli quit after {command}\0".encode())
            await writer.drain()
            answer = (await reader.read()).decode()
        finally:
            writer.close()
            await writer.wait_closed()
    return answer.partition("\n")[2]


def check_json(answer: str, bridge_id: str | None) -> list[dict[str, object]]:
    """Return the rows of an answer to `rtpstreams json`."""
    rows = [json.loads(line) for line in answer.splitlines()]
    for row in rows:
        wrong = [
            key for key in ROW.keys() | row.keys() if key not in ROW or not isinstance(row.get(key), ROW[key])
        ]
        if wrong or (bridge_id and row["bridge_id"] != bridge_id):
            raise WrongAnswerError(f"row not as documented ({', '.join(wrong) or 'bridge_id'}): {row}")
    return rows


class Run:
    """One run: what was asked and answered so far."""

    def __init__(self, path: Path, *, answers: int, calls_per_s: float, answers_per_call: int) -> None:
        self.path = path
        self.answers = answers
        self.calls_per_s = calls_per_s
        self.answers_per_call = answers_per_call
        self.due = asyncio.Queue[int]()
        self.count: Counter[str] = Counter()
        self.slowest_ms = 0.0
        self.bridge_ids: list[str] = ["no-such-bridge"]
        self.enough = asyncio.Event()

    async def question(self, number: int) -> None:
        """Ask question `number`; each fourth names a bridge, dead or alive."""
        bridge_id = self.bridge_ids[number % len(self.bridge_ids)]
        command = (
            "rtpstreams",
            "rtpstreams json",
            f"rtpstreams json {bridge_id}",
            '_command matchesarray "rtpstreams json " ""',
        )[number % 4]
        begin = time.monotonic()
        answer = await ask(self.path, command)
        self.slowest_ms = max(self.slowest_ms, (time.monotonic() - begin) * 1000)
        if answer.startswith(UNLOADED):
            self.count["while unloaded"] += 1
            return
        if command.startswith("rtpstreams json"):
            rows = check_json(answer, bridge_id if number % 4 == 2 else None)  # noqa: PLR2004 - see above
            self.count["json rows"] += len(rows)
            if rows and number % 4 == 1:
                self.bridge_ids = sorted({str(row["bridge_id"]) for row in rows})
                self.count["rows with hooks"] += sum(row["dtmf_hooks"] is True for row in rows)
                await self.features(str(rows[0]["channel"]), number // 4)
        elif command == "rtpstreams":
            wrong = [line for line in answer.splitlines() if not PLAIN.fullmatch(line)]
            if wrong:
                raise WrongAnswerError(f"not four addresses: {wrong[0]!r}")
            self.count["plain rows"] += len(answer.splitlines())
        elif not answer.endswith("_EOF_"):
            raise WrongAnswerError(f"no completion: {answer!r}")
        self.count["answers"] += 1
        if self.count["answers"] >= self.answers:
            self.enough.set()
            self.due.shutdown(immediate=True)

    async def features(self, channel: str, number: int) -> None:
        """Allow features, put DTMF hooks on a channel, run features, take the hooks away: one each time."""
        setting = (
            "OFFLOAD_FEATURES(blindxfer&disconnect) allowed",
            "OFFLOAD_FEATURES(blindxfer&disconnect) asterisk",
            "OFFLOAD_FEATURE() disconnect",
            "OFFLOAD_FEATURES(blindxfer&disconnect) application",
        )[number % 4]
        await ask(self.path, f"dialplan set chanvar {channel} {setting}")

    async def ask_on(self) -> None:
        """One connection after the other, until the answers are enough."""
        with contextlib.suppress(asyncio.QueueShutDown):
            while True:
                await self.question(await self.due.get())

    async def every(self, period_s: float) -> bool:
        """Pace a loop; False once the answers are enough."""
        try:
            await asyncio.wait_for(self.enough.wait(), period_s)
        except TimeoutError:
            return True
        return False

    async def churn(self) -> None:
        """Set up calls, every other one over IPv6; each tenth time hang up on all of them at once."""
        questions = itertools.count()
        for number in itertools.count():
            if not await self.every(1 / self.calls_per_s):
                return
            version = "46"[number % 2]
            await ask(
                self.path,
                f"channel originate PJSIP/{version}{number % 10}@self{version} application Milliwatt",
            )
            self.count["calls"] += 1
            for _ in range(0 if self.enough.is_set() else self.answers_per_call):
                self.due.put_nowait(next(questions))
            if number % 50 == 49:  # noqa: PLR2004
                await ask(self.path, "channel request hangup all")

    async def reload(self) -> None:
        """Unload and load the module; it may refuse to go while a command runs, but must come back."""
        while await self.every(0.3):
            unloaded = "Unloaded" in await ask(self.path, "module unload res_rtpstreams.so")
            self.count["unloads" if unloaded else "unloads refused"] += 1
            if not unloaded:
                continue
            answer = await ask(self.path, "module load res_rtpstreams.so")
            if "Loaded" not in answer:
                raise WrongAnswerError(f"the module does not come back: {answer!r}")

    async def all_gone(self) -> None:
        """Hang up, and insist that no channel and no bridge stays."""
        await ask(self.path, "channel request hangup all")
        async with asyncio.timeout(CALLS_END_S):
            while True:
                channels = await ask(self.path, "core show channels count")
                bridges = (await ask(self.path, "bridge show all")).splitlines()[1:]
                if channels.startswith("0 active channels") and not bridges:
                    return

    async def all(self) -> None:
        """Run everything at once, then see that nothing is left."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.churn())
            group.create_task(self.reload())
            for _ in range(CONNECTIONS):
                group.create_task(self.ask_on())
        if not self.count["rows with hooks"]:
            raise WrongAnswerError("no row has told of DTMF hooks")
        await self.all_gone()


def main() -> int:
    """Run it and print the figures."""
    path, answers, calls_per_s, answers_per_call = sys.argv[1:]
    run = Run(
        Path(path),
        answers=int(answers),
        calls_per_s=float(calls_per_s),
        answers_per_call=int(answers_per_call),
    )
    begin = time.monotonic()
    failures: list[BaseException] = []
    try:
        asyncio.run(run.all())
    except* (WrongAnswerError, TimeoutError, OSError, ValueError) as errors:
        failures.extend(errors.exceptions)
    for failure in failures:
        print(f"load: {failure!r}", file=sys.stderr)
    print(
        json.dumps(
            run.count | {"seconds": round(time.monotonic() - begin), "slowest_ms": round(run.slowest_ms)}
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
