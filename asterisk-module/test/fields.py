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
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from load import WrongAnswerError, ask, check_json

DEADLINE_S = 20
LISTEN_S = 4
ETH_P_ALL = 3
UDP = 17
RTP_HEADER = 12
RTCP = range(200, 211)
LEGS = 4
SLACK = 10

Stream = tuple[str, str]
"""Source and destination, as Asterisk writes them."""

Heard = dict[Stream, Counter[tuple[int, int]]]
"""Packets of each payload type and SSRC."""


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


def listen(seconds: float) -> Heard:
    """Return how many packets each stream carried."""
    heard: Heard = defaultdict(Counter)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.bind(("lo", ETH_P_ALL))
        wire.settimeout(0.1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                frame, (_, _, direction, *_) = wire.recvfrom(2048)
            except TimeoutError:
                continue
            # Loopback shows each packet going out and coming in.
            found = parse(frame) if direction == socket.PACKET_OUTGOING else None
            if found:
                heard[found[0]][found[1]] += 1
    return heard


Row = dict[str, Any]


async def rows(path: Path) -> dict[str, Row]:
    """Return what `rtpstreams json` says, by channel id."""
    return {row["channel_id"]: row for row in check_json(await ask(path, "rtpstreams json"), None)}


def compare(before: Row, after: Row, heard: Heard, *, sent: bool) -> set[int]:
    """Insist that one direction of a leg is as its row says; return the payload types heard.

    The counts may differ by the packets between a row's reading and the listener's start or end.
    """
    way = "tx" if sent else "rx"
    stream = (after["local"], after["remote"]) if sent else (after["remote"], after["local"])
    packets = heard.get(stream, Counter())
    agreed = {
        (after[f"audio_pt_{way}"], after[f"ssrc_{way}"]),
        *((number, after[f"ssrc_{way}"]) for number in after[f"event_pts_{way}"].values()),
    }
    assert packets, f"{stream} is silent, yet {after}"
    assert packets.keys() <= agreed, f"{stream} carries (payload type, SSRC) {set(packets)}, yet {after}"
    counted = after[f"packets_{way}"] - before[f"packets_{way}"]
    assert abs(counted - packets.total()) <= SLACK, (
        f"{stream} had {packets.total()} packets, counted were {counted}"
    )
    return {payload_type for payload_type, _ in packets}


async def rows_agree(path: Path) -> None:
    """Compare the rows of two calls with their packets."""
    await ask(path, "channel originate PJSIP/4@self4 application SendDTMF ww1234567890wwwwwwwwwwwwww")
    await ask(path, "channel originate PJSIP/6@self6 application Milliwatt")
    before: dict[str, Row] = {}
    async with asyncio.timeout(DEADLINE_S):
        while len(before) != LEGS or any(row["idle_s"] is None for row in before.values()):
            before = await rows(path)
    heard = await asyncio.to_thread(listen, LISTEN_S)
    after = await rows(path)
    plain = set((await ask(path, "rtpstreams")).splitlines())

    payload_types: set[int] = set()
    for channel_id, row in after.items():
        peer = after[row["peer_id"]]
        assert peer["peer_id"] == channel_id, f"not each other's peer: {row} {peer}"
        assert (row["bridge_technology"], row["bridge_channels"], row["glue"]) == (
            "native_rtp",
            2,
            "local",
        ), row
        assert row["local_bridge"], row
        assert row["sdp"] == row["remote"], row
        assert (row["ssrc_tx"], row["ssrc_rx"]) == (peer["ssrc_rx"], peer["ssrc_tx"]), (
            f"SSRC changed: {row} {peer}"
        )
        assert f"{row['local']} {row['remote']} {peer['local']} {peer['remote']}" in plain, (
            f"{row} not in {plain}"
        )
        payload_types |= compare(before[channel_id], row, heard, sent=True)
        payload_types |= compare(before[channel_id], row, heard, sent=False)
    assert payload_types == {0, 101}, f"audio and digits were to be heard, not {payload_types}"
    await no_call(path)
    print(f"fields: {len(after)} rows agree with {sum(map(Counter.total, heard.values()))} packets")


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
    """Have a fax machine ask for T.38 and the other end not answer it: Asterisk refuses it after 5 s."""
    await ask(path, "channel originate PJSIP/fax@self4 application Milliwatt")
    legs = await rows_when(path, lambda legs: all(leg["state"] == "Up" for leg in legs))
    assert not any(leg["t38"] for leg in legs), legs
    legs = await rows_when(path, lambda legs: all(leg["t38"] for leg in legs))
    assert {leg["glue"] for leg in legs} == {"forbid"}, legs
    await rows_when(path, lambda legs: not any(leg["t38"] for leg in legs))
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
