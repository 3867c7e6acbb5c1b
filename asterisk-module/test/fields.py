"""Asterisk's word is not proof: every row is compared with the packets on the wire.

Usage: fields.py SOCKET

Over SOCKET (asterisk.ctl) one call is bridged over IPv4 and one over IPv6, the first with digits in it. Their
rows must agree with the packets seen on loopback meanwhile: addresses, SSRCs, payload types, counts. ICE and
T.38 must be told of the calls that have them. Then the hangup cause that func_offload_cause set must reach the
far end of a call. Needs CAP_NET_RAW. Exit status 1
and a sentence when something does not agree.
"""
# ruff: noqa: INP001, T201, S101 - a script that prints, and whose whole purpose is to assert

import asyncio
import contextlib
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from load import WrongAnswerError, ask, check_json

DEADLINE_S = 20
LISTEN_S = 4
DIGITS = "1234567890" * 6  # three a second: longer than it takes to begin to listen, and to listen
ETH_P_ALL = 3
UDP = 17
RTP_HEADER = 12
RTCP = range(200, 211)
LEGS = 4
SLACK = 25  # packets: half a second in which a busy machine does not run Asterisk
# Of packet(7) and socket(7), which Python does not name (linux/if_packet.h, asm-generic/socket.h).
SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING, SO_TIMESTAMPNS = 263, 6, 23, 35
TIMESPEC, STATISTICS = struct.Struct("@qq"), struct.Struct("@II")

Stream = tuple[str, str]
"""Source and destination, as Asterisk writes them."""

Heard = dict[Stream, list[tuple[float, tuple[int, int]]]]
"""When a packet came (Unix time, s), and its payload type and SSRC."""

Row = dict[str, Any]


def text(host: bytes, port: bytes) -> str:
    """Return `ip:port`, or `[ipv6]:port`."""
    address = ip_address(host)
    return f"{f'[{address}]' if address.version == 6 else address}:{int.from_bytes(port)}"  # noqa: PLR2004


def parse(frame: bytes) -> tuple[Stream, tuple[int, int]] | None:
    """Return stream, payload type and SSRC of an RTP packet (RFC 3550 section 5.1); None if it is not one."""
    packet = frame[14:]
    if packet[0] >> 4 == 4:  # noqa: PLR2004
        protocol, header, hosts = packet[9], (packet[0] & 15) * 4, (packet[12:16], packet[16:20])
    else:
        protocol, header, hosts = packet[6], 40, (packet[8:24], packet[24:40])
    if protocol != UDP:
        return None
    udp, rtp = packet[header : header + 8], packet[header + 8 :]
    if len(rtp) < RTP_HEADER or rtp[0] >> 6 != 2 or rtp[1] in RTCP:  # noqa: PLR2004
        return None
    stream = text(hosts[0], udp[0:2]), text(hosts[1], udp[2:4])
    return stream, (rtp[1] & 0x7F, int.from_bytes(rtp[8:12]))


def listen(begun: threading.Event, ended: threading.Event) -> tuple[Heard, int]:
    """Return what each stream carried from `begun` to `ended`, and how many packets were missed."""
    heard: Heard = defaultdict(list)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.setsockopt(
            SOL_PACKET, PACKET_IGNORE_OUTGOING, 1
        )  # loopback shows each packet going out and coming in
        wire.bind(("lo", ETH_P_ALL))
        wire.settimeout(0.1)
        begun.set()
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                frame, [(_, _, stamp)], *_ = wire.recvmsg(2048, socket.CMSG_SPACE(TIMESPEC.size))
                found = parse(frame)
                if found:
                    seconds, nanoseconds = TIMESPEC.unpack(stamp)
                    heard[found[0]].append((seconds + nanoseconds / 1e9, found[1]))
        _, missed = STATISTICS.unpack(wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size))
    return heard, missed


@dataclass(frozen=True)
class Reading:
    """What `rtpstreams json` says, by channel id, and between which moments it was asked (Unix time, s)."""

    began: float
    rows: dict[str, Row]
    ended: float


async def read(path: Path) -> Reading:
    """Read the rows."""
    began = time.time()
    return Reading(began, await rows(path), time.time())


async def rows(path: Path) -> dict[str, Row]:
    """Return what `rtpstreams json` says, by channel id."""
    return {row["channel_id"]: row for row in check_json(await ask(path, "rtpstreams json"), None)}


def compare(
    before: Reading, after: Reading, channel_id: str, heard: Heard, *, sent: bool, slack: int
) -> set[int]:
    """Insist that one direction of a leg is as its row says; return the payload types heard.

    A row counts at some moment of its reading, and may miss packets that are under way.
    """
    way = "tx" if sent else "rx"
    row = after.rows[channel_id]
    stream = (row["local"], row["remote"]) if sent else (row["remote"], row["local"])
    packets = heard.get(stream, [])
    kinds = {kind for at, kind in packets if before.ended < at < after.ended}
    agreed = {
        (row[f"audio_pt_{way}"], row[f"ssrc_{way}"]),
        *((number, row[f"ssrc_{way}"]) for number in row[f"event_pts_{way}"].values()),
    }
    assert kinds, f"{stream} is silent, yet {row}"
    assert kinds <= agreed, f"{stream} carries (payload type, SSRC) {kinds}, yet {row}"
    counted = row[f"packets_{way}"] - before.rows[channel_id][f"packets_{way}"]
    least = sum(before.ended < at < after.began for at, _ in packets)
    most = sum(before.began < at < after.ended for at, _ in packets)
    assert least - slack <= counted <= most + slack, (
        f"{stream} had {least} to {most} packets, counted were {counted}"
    )
    return {payload_type for payload_type, _ in kinds}


async def rows_agree(path: Path) -> None:
    """Compare the rows of two calls with their packets."""
    await ask(path, f"channel originate PJSIP/4@self4 application SendDTMF ww{DIGITS}")
    await ask(path, "channel originate PJSIP/6@self6 application Milliwatt")
    begun, ended = threading.Event(), threading.Event()
    listening = asyncio.create_task(asyncio.to_thread(listen, begun, ended))
    try:
        await asyncio.to_thread(begun.wait)
        async with asyncio.timeout(DEADLINE_S):
            before = await read(path)
            while len(before.rows) != LEGS or any(row["idle_s"] is None for row in before.rows.values()):
                before = await read(path)
        await asyncio.sleep(LISTEN_S)
        after = await read(path)
    finally:
        ended.set()
    heard, missed = await listening
    plain = set((await ask(path, "rtpstreams")).splitlines())

    payload_types: set[int] = set()
    for channel_id, row in after.rows.items():
        peer = after.rows[row["peer_id"]]
        assert peer["peer_id"] == channel_id, f"not each other's peer: {row} {peer}"
        assert (row["bridge_technology"], row["bridge_channels"], row["glue"]) == (
            "native_rtp",
            2,
            "local",
        ), row
        assert row["local_bridge"], row
        assert row["protocol_id"], row
        assert row["sdp"] == row["remote"], row
        assert (row["ssrc_tx"], row["ssrc_rx"]) == (peer["ssrc_rx"], peer["ssrc_tx"]), (
            f"SSRC changed: {row} {peer}"
        )
        assert f"{row['local']} {row['remote']} {peer['local']} {peer['remote']}" in plain, (
            f"{row} not in {plain}"
        )
        for sent in (True, False):
            payload_types |= compare(before, after, channel_id, heard, sent=sent, slack=SLACK + missed)
    assert payload_types == {0, 101}, f"audio and digits were to be heard, not {payload_types}"
    await no_call(path)
    print(f"fields: {len(after.rows)} rows agree with {sum(map(len, heard.values()))} packets")


async def rows_when(path: Path, so: Callable[[list[Row]], bool]) -> list[Row]:
    """Wait for the two rows of the one call there is to be as wanted."""
    legs: list[Row] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(legs) != 2 or not so(legs):  # noqa: PLR2004 - a call's legs
            legs = list((await rows(path)).values())
    return legs


async def no_call(path: Path) -> None:
    """End all calls."""
    await ask(path, "channel request hangup all")
    async with asyncio.timeout(DEADLINE_S):
        while await rows(path):
            pass


async def ice_is_told(path: Path) -> None:
    """Have a call whose second leg's endpoint uses ICE, and whose first leg's does not."""
    await ask(path, "channel originate PJSIP/ice@self4 application Milliwatt")
    legs = await rows_when(path, lambda legs: all(leg["state"] == "Up" for leg in legs))
    told = {leg["channel"].partition("-")[0]: leg["ice"] for leg in legs}
    assert told == {"PJSIP/self4": False, "PJSIP/self4ice": True}, legs
    await no_call(path)
    print("fields: ICE is told of the leg that uses it, and not of the other")


async def t38_is_told(path: Path) -> None:
    """Have a fax machine ask for T.38 and the other end not answer it: Asterisk refuses it after 5 s, and the call goes on."""
    await ask(path, "channel originate PJSIP/fax@self4 application Milliwatt")
    await rows_when(path, lambda legs: all(leg["state"] == "Up" and not leg["t38"] for leg in legs))
    await ask(path, "dialplan set global FAX_BEGINS yes")
    await rows_when(path, lambda legs: all(leg["t38"] and leg["glue"] == "forbid" for leg in legs))
    await rows_when(path, lambda legs: all(not leg["t38"] and leg["glue"] == "forbid" for leg in legs))
    await no_call(path)
    print("fields: T.38 is told while it is negotiated")


async def causes_arrive(path: Path) -> None:
    """Have a call refused with a cause that only func_offload_cause set."""
    await ask(path, "channel originate PJSIP/refused@self4 application Milliwatt")
    async with asyncio.timeout(DEADLINE_S):
        while "CAUSE_HEARD" not in (answer := await ask(path, "dialplan show globals")):
            pass
    found = dict(line.split("=", 1) for line in answer.split() if line.startswith("CAUSE_"))
    assert found == {"CAUSE_SET": "17", "CAUSE_KEPT": "17", "CAUSE_HEARD": "BUSY17"}, found
    print("fields: cause 17 was set, three bad values were refused, the caller heard BUSY")


async def main(path: Path) -> None:
    """Run all of it."""
    await rows_agree(path)
    await ice_is_told(path)
    await t38_is_told(path)
    await causes_arrive(path)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except (AssertionError, TimeoutError, WrongAnswerError) as error:
        sys.exit(f"fields: {error!r}")
