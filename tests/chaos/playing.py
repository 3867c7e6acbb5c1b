"""Plays one fault against fresh calls and says what became of them."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from lab import control
from lab.capture import HEADERS, Capture, captured
from lab.control import LabError, wait_until
from tests.chaos.faults import Fault
from tests.support.hosts import FORWARD

T = TypeVar("T")

# Seconds. A fault begins at a random moment after the calls are carried.
_BEGINS_WITHIN = 2.0
# Seconds for which the calls go on once all is right, and the last of them, of which packets may be on their way.
_GOES_ON = 1.0
_ON_ITS_WAY = 0.5
# Seconds after which it will not be right any more, for the calls of a row to come up or to end, and for their flows to go.
RIGHT_WITHIN = 60.0
_UP_WITHIN = 60.0
_GONE_WITHIN = 20.0
_FLOWS_GONE_WITHIN = 3.0
_CARRIED_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the calls of one fault.

    `relayed` is the number of streams of which Asterisk relayed a packet, `recovery_s` the seconds from the end of the
    fault until all was right, None for never.
    """

    fault: Fault
    calls: int
    calls_lost: int
    packets_lost: int
    relayed: int
    recovery_s: float | None
    flows_left: int

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is wrong with it, in a few words each."""
        told = (
            (self.calls_lost > 0, f"{self.calls_lost} calls lost"),
            (self.packets_lost > 0 and not self.fault.hits_media, f"{self.packets_lost} packets lost"),
            (self.relayed > 0 and self.fault.stays, f"{self.relayed} streams came back to Asterisk"),
            (self.recovery_s is None, f"not right within {RIGHT_WITHIN:.0f} s"),
            (self.flows_left > 0, f"{self.flows_left} flows left"),
        )
        return tuple(text for wrong, text in told if wrong)


def play(fault: Fault, calls: int, random: Random) -> Row:
    """Make calls, play a fault, wait until all is right, and end the calls.

    Raises:
        LabError: the calls did not come up, or did not end.

    """
    with fault.lab():
        return _played(fault, calls, random)


def _played(fault: Fault, calls: int, random: Random) -> Row:
    bring_up(calls)
    names, forwarding = set(control.channels("asterisk1")), _forwarding()
    with captured(snaplen=HEADERS) as capture:
        time.sleep(random.uniform(0, _BEGINS_WITHIN))
        began = time.time()
        fault.play(random)
        recovery = (
            None
            if fault.ends_calls
            else _seconds_until(lambda: _right(calls, forwarding, fault.leaves_with_asterisk))
        )
        time.sleep(_GOES_ON)
        lost = len(names - set(control.channels("asterisk1")))
    hang_up()
    if fault.ends_calls:
        recovery = _seconds_until(_new_call)
        hang_up()
    return Row(
        fault=fault,
        calls=calls,
        calls_lost=(lost + 1) // 2,
        packets_lost=packets_lost(capture, began),
        relayed=relayed_streams(capture, began),
        recovery_s=recovery,
        flows_left=_flows_left(),
    )


def bring_up(calls: int) -> None:
    """Make calls from asterisk1 to itself and wait until the switch carries all of them."""
    wait_until(_well, within=_UP_WITHIN, what="the application to be well")
    control.originate("555@asterisk2", count=calls)
    wait_until(lambda: _right(calls), within=_UP_WITHIN, what=f"{calls} calls to be carried")


def hang_up() -> None:
    """End every call from the endpoints' side, and wait until nobody knows of any."""
    control.hang_up_all()
    wait_until(lambda: not control.channels("asterisk1"), within=_GONE_WITHIN, what="asterisk1 to be quiet")
    wait_until(lambda: _tried(lambda: not control.calls()), within=_GONE_WITHIN, what="every call to end")
    wait_until(
        lambda: _tried(lambda: not control.channels("asterisk2")),
        within=_GONE_WITHIN,
        what="asterisk2 to be quiet",
    )


def packets_lost(capture: Capture, since: float) -> int:
    """Count what was sent from `since` on (Unix time, s) and arrived nowhere, but for what may still be on its way."""
    arrived: dict[int, set[int]] = defaultdict(set)
    for stream in capture.arriving:
        arrived[stream.ssrc].update(packet.sequence for packet in stream.packets)
    until = (
        max((packet.at for stream in capture.sent for packet in stream.packets), default=0.0) - _ON_ITS_WAY
    )
    return sum(
        packet.sequence not in arrived[stream.ssrc]
        for stream in capture.sent
        for packet in stream.packets
        if since <= packet.at < until
    )


def relayed_streams(capture: Capture, since: float) -> int:
    """Count the streams of which Asterisk relayed a packet from `since` on."""
    return sum(
        any(packet.at >= since and not packet.by_switch for packet in stream.packets)
        for stream in capture.end_to_end
    )


def _seconds_until(check: Callable[[], bool]) -> float | None:
    """Return the seconds until something is so; None if it is not in time."""
    began = time.monotonic()
    with suppress(LabError):
        wait_until(check, within=RIGHT_WITHIN, what="all to be right")
        return time.monotonic() - began
    return None


def _right(calls: int, forwarding: int | None = None, relayed_for: str | None = None) -> bool:
    """Return whether so many calls are carried, by as many flows that are as they were, and nothing else is wrong.

    Calls that Asterisk relays for the reason `relayed_for` are right, too, and have no such flows.
    """
    reasons = _tried(
        lambda: [None if c["state"] == "offloaded" else str(c["reason"]) for c in control.calls()]
    )
    if reasons is None or len(reasons) != calls or not _well():
        return False
    relayed = sum(reason is not None for reason in reasons)
    others = [reason for reason in reasons if reason and reason.partition(":")[0] != relayed_for]
    return not others and forwarding in (None, _forwarding() + 2 * relayed)


def _new_call() -> bool:
    """Return whether a new call is carried; one that Asterisk took before the application was there is made again."""
    if _well() and not _tried(control.calls):
        control.hang_up_all()
        wait_until(
            lambda: not control.channels("asterisk1"), within=_GONE_WITHIN, what="asterisk1 to be quiet"
        )
        control.originate("555@asterisk2")
        with suppress(LabError):
            wait_until(lambda: _right(1), within=_CARRIED_WITHIN, what="it to be carried")
    return _right(1)


def _well() -> bool:
    return bool(_tried(lambda: control.health()["ok"]))


def _forwarding() -> int:
    return sum(FORWARD in flow for flow in control.flows())


def _flows_left() -> int:
    with suppress(LabError):
        wait_until(lambda: not control.flows(), within=_FLOWS_GONE_WITHIN, what="every flow to go")
    return len(control.flows())


def _tried(ask: Callable[[], T]) -> T | None:
    """Return an answer; None while whom it asks is not there."""
    try:
        return ask()
    except (LabError, ValueError):
        return None
