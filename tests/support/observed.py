"""What the tests of whole calls wait for and read: media in the switch, the application's log, what node 2's dialplan noted."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from lab import control
from lab.capture import NODE2, Capture, Packet, Stream
from lab.control import wait_until
from lab.rtp_talker import PERIOD

# Of a call that has been in the switch for a moment: of each leg RTP and its two sizes, RTCP, guards (docs/media.md).
FLOWS = 14

# Packets that a busy Asterisk may relay after the switch has forwarded the next, of all cutovers of a test (docs/limits.md).
LATE_AT_CUTOVERS = 1

CDRS = "/var/log/asterisk/cdr-custom/calls.json"


def media_moved(calls: int = 1) -> None:
    """Wait until the switch carries every call there is, and there are so many."""
    wait_until(
        lambda: [call["state"] for call in control.calls()] == ["offloaded"] * calls,
        within=15 + calls,
        what=f"the media of {calls} calls to be moved",
    )


def more_packets(count: int) -> None:
    """Wait until the switch has forwarded so many more packets from each leg of every call."""
    before = _packets()
    wait_until(lambda: _packets() >= before + count, within=10, what=f"{count} more packets in the switch")


def _packets() -> int:
    counts = [int(packets) for call in control.calls() for packets in call["packets"].values()]
    return min(counts, default=0)


def bridged(channels: int) -> None:
    """Wait until so many channels of node 2 are up and in a bridge: later than the callers are told of the answer."""

    def reached() -> bool:
        rows = (
            row.split("!") for row in control.asterisk("asterisk2", "core show channels concise").splitlines()
        )
        return sum(row[4] == "Up" and bool(row[12]) for row in rows if len(row) > 12) == channels

    wait_until(reached, within=10, what=f"{channels} channels to be in a bridge")


def ringing(channels: int = 1) -> None:
    """Wait until so many channels of node 2 ring: with fewer, nobody may have been called yet."""

    def reached() -> bool:
        return control.asterisk("asterisk2", "core show channels concise").count("!Ringing!") == channels

    wait_until(reached, within=10, what=f"{channels} channels to ring")


def hang_up_at_asterisk1(number: str, *, called: bool) -> None:
    """Hang up the channel of asterisk1 that was called at a number, or the one that was not."""
    rows = (
        row.split("!") for row in control.asterisk("asterisk1", "core show channels concise").splitlines()
    )
    [channel] = [row[0] for row in rows if len(row) > 2 and (row[2] == number) is called]
    control.asterisk("asterisk1", f"channel request hangup {channel}")


def reports_pass(*, to: Collection[str] = ("caller", "callee")) -> None:
    """Wait until these legs of the one call answer reports of the other's: Asterisk has shown by its own where they go."""

    def round_trips() -> dict[str, float | None]:
        [call] = control.calls()
        return {leg: call["quality"][leg]["rtt_ms"] for leg in to}

    before = round_trips()  # of an earlier stay in the switch, if any
    wait_until(
        lambda: all(trip not in (None, before[leg]) for leg, trip in round_trips().items()),
        within=15,
        what=f"reports to reach {to}",
    )


def datapath_follows() -> None:
    """Wait until the switch's datapath does what its flow tables say now, and what it did before has arrived.

    Open vSwitch confirms a change before it has (revalidator/wait in ofproto/ofproto-dpif-upcall.c).
    """
    control.execute("ovs", "ovs-appctl", "revalidator/wait")
    passed_the_switch()


def passed_the_switch() -> None:
    """Wait until what the edge has sent before now, and the switch has turned back, is there again.

    Node 2 refuses a connection at once, behind all of that.
    """
    control.execute("edge", "timeout", "5", "bash", "-c", f"echo >/dev/tcp/{NODE2}/9", check=False)


def assert_in_order(*streams: Stream) -> None:
    """Nothing of these streams is doubled or out of turn, but for what a busy Asterisk has relayed late at a cutover.

    After a moment in which the machine stood still Asterisk may have several packets in its hands, and relays them at once.
    """
    late = [
        packet
        for stream in streams
        for packet in stream.overtaken
        if packet.by_switch or not _after_standstill(stream, packet)
    ]
    assert len(late) <= LATE_AT_CUTOVERS, in_short(late)
    assert not any(packet.by_switch for packet in late), in_short(late)
    for stream in streams:
        assert stream.duplicated == 0, in_short(stream.packets)


def _after_standstill(stream: Stream, packet: Packet) -> bool:
    """Return whether nothing of a stream passed for two packet times until directly before a packet."""
    until = [each.at for each in stream.packets if each.at <= packet.at]
    return any(
        later - earlier > 2 * PERIOD and packet.at - later < PERIOD for earlier, later in pairwise(until)
    )


def assert_all_whole(capture: Capture, *, streams: int) -> None:
    """Every stream that one endpoint sent reached the other without a gap or a duplicate, and in order."""
    assert len(capture.sent) == len(capture.end_to_end) == streams
    assert_in_order(*capture.end_to_end)
    for stream in capture.end_to_end:
        assert stream.lost == 0, in_short(stream.packets)
        carried = stream.by_switch()
        late = [packet for packet in stream.foreign if packet.at >= carried[0].at]
        assert not late, in_short(late)


def in_short(packets: Iterable[Packet]) -> list[tuple[float, int, int]]:
    """Return time, number and TTL of packets."""
    return [(packet.at, packet.sequence, packet.ttl) for packet in packets]


def logged(since: float) -> list[dict[str, Any]]:
    """Return the events that the application has logged from a moment on (Unix time, s)."""
    log = control.docker("logs", "--since", f"{since:.3f}", control.container("offload"), stderr=True)
    return [json.loads(line) for line in log.splitlines()]


def logged_at(event: Mapping[str, Any]) -> float:
    """Return when an event was logged (Unix time, s)."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def returned(since: float) -> list[dict[str, Any]]:
    """Return the events that say that a call has left the switch, and why."""
    return [
        event
        for event in logged(since)
        if (event["event"], event.get("was")) == ("media.relayed", "offloaded")
    ]


def left_to_dial(reason: str) -> int:
    """Return how many calls OffloadDial() has left to Dial() for a reason, as node 2's Asterisk counts."""
    found = re.search(
        rf"OFFLOAD_PASSED_BY=.*\b{reason}=(\d+)", control.asterisk("asterisk2", "dialplan show globals")
    )
    return int(found[1]) if found else 0


def written_rows(file: str) -> list[str]:
    """Return the rows of a file that node 2's Asterisk writes to, but for one of which the end is yet to be written."""
    text = control.execute("asterisk2", "cat", file, check=False)
    return text[: text.rfind("\n") + 1].splitlines()


class Cdrs:
    """The CDRs that node 2 writes from here on."""

    def __init__(self) -> None:
        self._seen = len(written_rows(CDRS))

    def _rows(self) -> list[str]:
        return written_rows(CDRS)[self._seen :]

    def all(self) -> list[dict[str, Any]]:
        """Return every CDR so far."""
        return [json.loads(row) for row in self._rows()]

    def last(self, *, having: str = "dialstatus", within: float = 10.0) -> dict[str, Any]:
        """Wait for the first CDR with that field: a call that fails leaves one more, for the failed dial."""

        def found() -> dict[str, Any] | None:
            rows = (json.loads(row) for row in self._rows())
            return next((row for row in rows if row[having]), None)

        return wait_until(found, within=within, what=f"a CDR with {having}")

    def of(self, number: str, *, within: float = 10.0) -> dict[str, Any]:
        """Wait for the first CDR of calls to a number."""

        def found() -> dict[str, Any] | None:
            rows = (json.loads(row) for row in self._rows())
            return next((row for row in rows if row["dst"] == number), None)

        return wait_until(found, within=within, what=f"a CDR of {number}")
