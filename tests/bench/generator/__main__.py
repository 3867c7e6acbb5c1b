"""Calls, through an Asterisk (`sip`) or by rtpengine (`ng`), both legs here, a packet each 20 ms on each.

Prints one JSON line when all calls are up: {"up": COUNT}. With --hold, a call ends so many seconds after its answer;
else all end together, when standard input does. A number there is how many packets a second each stream sends from now on;
a second one, with --rtcp, how many of RTCP.
With --rush, a call that does not come about is counted, the last --stay calls end with standard input, and a second line says
how long each answer took: {"answered_ms": [...], "failed": [...]}.
"""

import argparse
import asyncio
import json
import socket
import sys
from asyncio import TaskGroup

from tests.bench.generator import sip
from tests.bench.generator.ng import NgClient, NgError
from tests.bench.generator.phones import CALLEE, CALLER, SIP_PORT, CallError, Phones, ssrc_of
from tests.bench.generator.talker import REPORT_S, Endpoint, Stream, Talker


def main() -> int:
    """Run what the command line says; 1 and a sentence when a call does not come about."""
    parser = argparse.ArgumentParser(prog="generator")
    parser.add_argument("way", choices=("sip", "ng"))
    parser.add_argument("host", help="of Asterisk or of rtpengine")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--first", type=int, default=1000, help="the number of the first call")
    parser.add_argument("--hold", type=float, help="seconds")
    parser.add_argument("--prefix", default="load-", help="of what is dialled: how Asterisk makes the calls")
    parser.add_argument(
        "--rush", action="store_true", help="count what fails, and say how long each answer took"
    )
    parser.add_argument(
        "--stay", type=int, default=0, help="so many of the last calls end with standard input"
    )
    parser.add_argument("--rtcp", action="store_true", help="each leg sends RTCP, every 5 s at first")
    options = parser.parse_args()
    # The talker must not wait long for the other thread, which handles SIP.
    sys.setswitchinterval(0.0005)
    talker = Talker(REPORT_S if options.rtcp else None)
    talker.start()
    run = _through_asterisk if options.way == "sip" else _through_rtpengine
    status = 0
    try:
        asyncio.run(run(options, talker))
    except* (CallError, NgError, OSError) as errors:
        print(f"generator: {errors.exceptions[0]}", file=sys.stderr)
        status = 1
    return status


async def _through_asterisk(options: argparse.Namespace, talker: Talker) -> None:
    server = (options.host, options.port)
    here = (_address_towards(server), SIP_PORT)
    loop = asyncio.get_running_loop()
    _, phones = await loop.create_datagram_endpoint(
        lambda: Phones(here, talker, prefix=options.prefix), local_addr=here
    )
    began = loop.time()
    up: list[int] = []
    failed: list[str] = []
    waits: list[float] = []
    hang_up = asyncio.Event()
    stays = options.count if options.hold is None else options.stay

    async def one(number: int) -> None:
        await asyncio.sleep(began + number / options.rate - loop.time())
        called = loop.time()
        try:
            placed = await phones.call(options.first + number, server)
        except CallError as error:
            if not options.rush:
                raise
            failed.append(str(error))
            return
        finally:
            up.append(number)
            if len(up) == options.count:
                _tell_up(options.count)
        waits.append(1000 * (loop.time() - called))
        if number >= options.count - stays:
            await hang_up.wait()
        else:
            await asyncio.sleep(options.hold)
        await phones.hang_up(placed, server)

    async with TaskGroup() as tasks:
        for number in range(options.count):
            tasks.create_task(one(number))
        if stays:
            await asyncio.to_thread(_follow, talker)
            hang_up.set()
    if options.rush:
        print(json.dumps({"answered_ms": waits, "failed": failed}), flush=True)


async def _through_rtpengine(options: argparse.Namespace, talker: Talker) -> None:
    server = (options.host, options.port)
    here = _address_towards(server)
    loop = asyncio.get_running_loop()
    _, rtpengine = await loop.create_datagram_endpoint(NgClient, remote_addr=server)
    streams = []
    for number in range(options.count):
        call = f"bench-{options.first + number}"
        caller, callee = (Stream(here, ssrc_of(options.first + number, leg)) for leg in (CALLER, CALLEE))
        offer = await rtpengine.ask("offer", call_id=call, from_tag="a", sdp=sip.sdp(caller.local))
        callee.remote = sip.media_of(str(offer["sdp"]))
        answer = await rtpengine.ask(
            "answer", call_id=call, from_tag="a", to_tag="b", sdp=sip.sdp(callee.local)
        )
        caller.remote = sip.media_of(str(answer["sdp"]))
        streams += [caller, callee]
    for stream in streams:
        talker.add(stream)
    _tell_up(options.count)
    await asyncio.to_thread(_follow, talker)
    for stream in streams:
        stream.end()
    for number in range(options.count):
        await rtpengine.ask("delete", call_id=f"bench-{options.first + number}", from_tag="a")


def _follow(talker: Talker) -> None:
    """Send as often as standard input says, until it ends."""
    for line in sys.stdin:
        packets, *reports = map(float, line.split())
        talker.interval = 1 / packets
        if reports:
            talker.report_interval = 1 / reports[0]


def _tell_up(count: int) -> None:
    print(json.dumps({"up": count}), flush=True)


def _address_towards(server: Endpoint) -> str:
    """Return our own address on the way to a server; nothing is sent for that."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect(server)
        return str(asked.getsockname()[0])


if __name__ == "__main__":
    sys.exit(main())
