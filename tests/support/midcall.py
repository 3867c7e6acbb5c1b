"""A call in the switch to which another program does something, judged by what each of its endpoints hears."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab import control
from lab.capture import FROM_ASTERISK, FROM_SWITCH, Capture, Packet, Stream, captured
from lab.control import wait_until
from tests.support.ari_program import Program
from tests.support.observed import (
    assert_in_order,
    datapath_follows,
    logged,
    logged_at,
    media_moved,
    more_packets,
)

# The switch may go on forwarding for so long (s) once Asterisk has sent a packet of its own: milliseconds on a quiet
# machine, but these share theirs ...
FORWARDED_ON_WITHIN = 2.0
# ... and once the other program has its answer, should Asterisk send nothing.
FLOWS_OUT_WITHIN = 2.0
# Frames that Asterisk may have in its hands, and drop, at either change of the bridge.
DROPPED_BY_ASTERISK = 2
# A frame that a leg's thread has read before its bridge is native reaches the other leg after, by the core, under an
# SSRC or a number of Asterisk's own (bridge_channel_write_frame in main/bridge_channel.c waits for the bridge's lock).
READ_BEFORE_NATIVE = 1
PACKETS_PER_SECOND = 50
# A change lasts at least so long (s): time enough for a call that wrongly came back.
LASTS = 1.0


@dataclass
class Ear:
    """What one endpoint of the call heard: of the other endpoint's packets, and of Asterisk's own making."""

    far_end: Stream
    by_asterisk: list[Packet]

    @property
    def of_switch(self) -> list[float]:
        """List when the packets passed that the switch forwarded."""
        return [packet.at for packet in self.far_end.packets if packet.ttl == FROM_SWITCH]

    @property
    def of_asterisk(self) -> list[float]:
        """List when the packets passed that Asterisk sent, whether it passed them on or made them."""
        relayed = [packet for packet in self.far_end.packets if packet.ttl == FROM_ASTERISK]
        return sorted(packet.at for packet in relayed + self.by_asterisk)


@dataclass
class Call:
    """One offloaded call, by the names that ARI and the CLI know; the ears once its block has ended.

    `begun` and `answered` are when the other program asked for the change and had its answer, `seen` when the
    call was seen relayed for it, `undone` when the program asked for its end, `back` when the switch was seen to
    carry the call again (Unix time, s).
    """

    caller: str
    callee: str
    bridge: str
    caller_channel: str
    callee_channel: str
    other: Program
    begun: float = 0.0
    answered: float = 0.0
    seen: float = 0.0
    undone: float = 0.0
    back: float = 0.0
    ears: dict[str, Ear] = field(default_factory=dict)

    def change(self, begin: Callable[["Call"], object], *, reason: str) -> None:
        """Do something to the call; it must be relayed for this reason, without a flow, as long as it lasts."""
        self.begun = time.time()
        begin(self)
        self.answered = time.time()
        wait_until(lambda: self._relayed(reason), within=10, what=reason)
        wait_until(lambda: not control.flows(), within=2, what="the flows to go")
        datapath_follows()
        self.seen = time.time()
        wait_until(lambda: self._relayed(reason, since=LASTS), within=10, what=f"{reason} to last")
        assert control.flows() == []

    def interrupt(self, begin: Callable[["Call"], object], *, reason: str) -> None:
        """Do something of which Asterisk's packets alone tell; it is `undone` when the switch takes the call back."""
        self.begun = time.time()
        begin(self)
        self.answered = time.time()
        out = wait_until(lambda: self._moved("media.relayed", reason), within=10, what=reason)
        self.undone = wait_until(
            lambda: self._moved("media.offloaded", None, after=out), within=10, what="the call to come back"
        )

    def was_relayed_for(self, reason: str) -> bool:
        """Whether the application's log says so, of the time since the change; it may have been a moment only."""
        return self._moved("media.relayed", reason) is not None

    def undo(self, end: Callable[["Call"], object]) -> None:
        """End what was done; the switch must carry the call again."""
        self.undone = time.time()
        end(self)
        self.wait_until_back()

    def wait_until_back(self) -> None:
        """Wait until the switch carries the call, and has for a while."""
        media_moved()
        # The datapath follows the flow table after a moment, in which Asterisk still relays.
        more_packets(10)
        self.back = time.time()
        more_packets(25)

    def _relayed(self, reason: str, *, since: float = 0.0) -> bool:
        [call] = control.calls()
        assert not self.seen or (call["state"], call["reason"]) == ("relayed", reason), call
        return (call["state"], call["reason"]) == ("relayed", reason) and call["state_age"] >= since

    def _moved(self, event: str, reason: str | None, *, after: float = 0.0) -> float | None:
        """Tell when the log says that the media moved so, for the first time since the change began."""
        since = max(self.begun, after)
        moves = (line for line in logged(since) if line["event"] == event and line.get("call") == self.caller)
        times = (logged_at(move) for move in moves if move["reason"] == reason)
        return next((at for at in times if at > since), None)


@contextmanager
def offloaded_call(other: Program) -> Iterator[Call]:
    """Make a call that the switch carries, hang it up at the end of the block, and tell what was heard."""
    with captured() as capture:
        control.originate("555@asterisk2")
        media_moved()
        more_packets(25)
        call = _call(other)
        ports = _ports(call)
        yield call
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the call to end")
    call.ears = {
        "caller": _ear(capture, at=ports["caller"], far_end=ports["callee"]),
        "callee": _ear(capture, at=ports["callee"], far_end=ports["caller"]),
    }


def _call(other: Program) -> Call:
    [call] = control.calls()
    bridge = f"offload-{call['call']}"
    return Call(
        caller=call["call"],
        callee=f"{bridge}-1",
        bridge=bridge,
        caller_channel=call["caller"],
        callee_channel=call["callee"],
        other=other,
    )


def _ports(call: Call) -> dict[str, str]:
    """Tell where asterisk1 has the media of each leg."""
    rows = control.asterisk("asterisk2", f"rtpstreams json {call.bridge}").splitlines()
    remote = {leg["channel_id"]: str(leg["remote"]) for leg in map(json.loads, rows)}
    return {"caller": remote[call.caller], "callee": remote[call.callee]}


def _ear(capture: Capture, *, at: str, far_end: str) -> Ear:
    ssrcs = {stream.ssrc for stream in capture.sent if str(stream.source) == far_end}
    [heard] = [s for s in capture.end_to_end if str(s.destination) == at and s.ssrc in ssrcs]
    others = [s.packets for s in capture.arriving if str(s.destination) == at and s.ssrc != heard.ssrc]
    return Ear(heard, sorted(sum(others, heard.foreign), key=lambda packet: packet.at))


def assert_handed_over(
    call: Call, *, hears: tuple[str, ...] = ("caller", "callee"), swallowed: Mapping[str, int] | None = None
) -> None:
    """Of one change: the flows were out as Asterisk acted, stayed out, came back, and nothing else was lost.

    The ears that the change itself leaves nothing to hear, as long as it lasts, are not in `hears`; `swallowed` are
    the packets of the far end that Asterisk replaces by fewer of its own.
    """
    until = call.undone or call.seen
    for name, ear in call.ears.items():
        forwarded = [at for at in ear.of_switch if call.begun < at < until]
        spoke = next((at for at in ear.of_asterisk if call.begun < at < until), None)
        limit = spoke + FORWARDED_ON_WITHIN if spoke else call.answered + FLOWS_OUT_WITHIN
        assert max(forwarded, default=call.begun) <= limit, (name, max(forwarded) - limit)
        assert not call.seen or not [at for at in forwarded if at > call.seen], name
        assert not [at for at in ear.of_asterisk if at > call.back], name
        assert_in_order(ear.far_end)
        made = [packet for packet in ear.by_asterisk if call.begun < packet.at < call.back]
        if name in hears:
            # On a busy machine Asterisk's own clock skips packets, which the far end's does not.
            skipped = len(made) // 5
            fewer = DROPPED_BY_ASTERISK + skipped + (swallowed or {}).get(name, 0)
            assert ear.far_end.lost <= len(made) + fewer, (name, ear.far_end.lost, len(made))
        else:
            assert not [packet for packet in made if packet.at < until], name
            assert len(made) <= READ_BEFORE_NATIVE, name
