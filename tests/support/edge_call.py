"""A call between two phones at the edge that speak all the time, and what is asked of the packets afterwards."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from lab import control
from lab.capture import Capture, Packet, captured
from lab.control import wait_until
from lab.talker_client import Talker, talker
from stasis_offload.packets.address import Address
from tests.support.observed import (
    datapath_follows,
    logged_at,
    more_packets,
    passed_the_switch,
    returned,
)
from tests.support.phone import CALLEE_PORT, CALLER_PORT, EDGE, Phone, sdp

# Who is heard is told by the first SSRC of a speaker (lab/rtp_talker.py).
BOB, ALICE = 0xB0B, 0xA11CE
BOB_PORT, ALICE_PORT = 40000, 42000
# What the switch may still forward after a change (s): a packet or none on a machine that has nothing else to do, and this one
# is shared.
OVERLAP = 1.0 * control.BUSY
# What was said in so many seconds before the end Asterisk may have in its hands: longer than such a machine stands still.
UNDER_WAY = 0.5


@dataclass
class Conversation:
    """Bob has called Alice; both speak, and what passes at the edge is captured until the block ends."""

    bob: Phone
    alice: Phone
    voices: Talker
    capture: Capture
    begun: float = field(default_factory=time.time)

    def connect(
        self, offer: str, answer: str, *, user: str = "bob", number: str = "custom", late: bool = False
    ) -> None:
        """Have Bob call, by the name of `user`, and Alice answer; Bob's INVITE has no offer if that is to be late."""
        begin = self.bob.call_late if late else self.bob.call
        begin(number, offer, user=user)
        self.alice.invited()
        self.alice.answer(answer)
        assert " 200 " in self.bob.answered().start

    def speak(
        self,
        *,
        bob: str = f"{EDGE}:{BOB_PORT}",
        alice: str = f"{EDGE}:{ALICE_PORT}",
        to: str | None = None,
        **fields: object,
    ) -> None:
        """Let both speak from these addresses on; to Asterisk's ports of another host than Asterisk says if one is given.

        The fields are those of lab/rtp_talker.py.
        """
        speakers = (("bob", self.bob, bob, BOB), ("alice", self.alice, alice, ALICE))
        for name, phone, here, ssrc in speakers:
            host, _, port = phone.media.rpartition(":")
            self.voices.set(name, from_=here, to=f"{to or host}:{port}", ssrc=ssrc, **fields)

    def carried(self) -> float:
        """Wait until the switch has carried half a second each way in one stay; return a moment when it did already."""
        while True:
            begun = time.time()
            wait_until(lambda: _state() == "offloaded", within=30, what="the switch to carry the call")
            # The datapath follows the flow table after a moment, in which Asterisk still relays.
            more_packets(5)
            since = time.time()
            more_packets(25)
            if all(at < begun for at, _ in self.returns()):
                return since

    def relayed(self, *reasons: str) -> float:
        """Wait until Asterisk relays the call for one of these reasons, and no packet of it passes the switch; return that moment."""
        wait_until(lambda: _reason() in reasons, within=20, what=f"the call to be relayed: {reasons}")
        datapath_follows()
        return time.time()

    def returned(self, *reasons: str) -> float:
        """Wait until the call has left the switch for one of these reasons, however shortly; return that moment."""

        def given() -> float | None:
            return next((at for at, reason in self.returns() if reason in reasons), None)

        return wait_until(given, within=40, what=f"the call to return: {reasons}") or 0.0

    def returns(self) -> list[tuple[float, str]]:
        """List when (Unix time, s) and why the call has left the switch."""
        return [(logged_at(event), str(event["reason"])) for event in returned(self.begun)]

    def passed(self, seconds: float) -> float:
        """Let them talk for so long; return the end."""
        end = time.time() + seconds
        wait_until(lambda: time.time() >= end, within=seconds + 10, what="time to pass")
        return time.time()


def _state() -> str:
    calls = control.calls()
    return str(calls[0]["state"]) if calls else "none"


def _reason() -> str:
    calls = control.calls()
    return str(calls[0]["reason"]) if calls else "none"


@contextmanager
def conversation(number: str = "custom") -> Iterator[Conversation]:
    """Begin an ordinary call in which both speak, or one to another number of node 2."""
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT), number=number)
        call.speak()
        yield call


@contextmanager
def phones(*, callee: str = "phone", know_update: bool = True) -> Iterator[Conversation]:
    """Have two phones ready; a call to `custom` is connected to Alice's, by the endpoint `callee`."""
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS PJSIP/alice@{callee}")
    with ExitStack() as stack:
        capture = stack.enter_context(captured("edge"))
        voices = stack.enter_context(talker())
        bob = stack.enter_context(Phone("bob", port=CALLER_PORT, knows_update=know_update))
        alice = stack.enter_context(Phone("alice", port=CALLEE_PORT, knows_update=know_update))
        yield Conversation(bob, alice, voices, capture)
        passed_the_switch()  # before they hang up


def dialog_of(caller: Phone) -> str:
    """Write the dialog of a call that this phone made, answered or yet to be, for Asterisk to find it (RFC 3891 3)."""
    answer = [
        m
        for m in caller.messages
        if m.arrived and "INVITE" in (m.header("CSeq") or "") and "tag=" in (m.header("To") or "")
    ][-1]
    call, theirs, mine = (answer.header(name) or "" for name in ("Call-ID", "To", "From"))
    return f"{call};to-tag={theirs.partition('tag=')[2]};from-tag={mine.partition('tag=')[2]}"


@contextmanager
def replacing(dialog: str) -> Iterator[None]:
    """Have asterisk1 send INVITEs with Replaces (res_pjsip_refer.c makes a header of the variable)."""
    control.asterisk("asterisk1", f"dialplan set global SIPREPLACESHDR {dialog}")
    try:
        yield
    finally:
        control.asterisk("asterisk1", 'dialplan set global SIPREPLACESHDR ""')


def longest_gap(capture: Capture, speaker: int, start: float, end: float) -> float:
    """Return the longest time (s) between two moments in which nothing was heard of a speaker."""
    at = [start, *(packet.at for packet in capture.heard(speaker) if start < packet.at < end), end]
    return max(later - earlier for earlier, later in pairwise(at))


def assert_whole(capture: Capture, speaker: int, start: float, end: float, *, at: str | None = None) -> None:
    """All that a speaker said between two moments was heard, once, at an address if one is given."""
    said = [packet.talk for packet in capture.said(speaker) if start <= packet.at < end]
    heard = Counter(packet.talk for packet in capture.heard(speaker, at=Address.parse(at) if at else None))
    assert said
    wrong = {talk: heard[talk] for talk in said if heard[talk] != 1}
    assert not wrong, f"of {len(said)} packets, {len(wrong)} were not heard just once: {wrong}"


def assert_returned(capture: Capture, start: float, relayed: float, end: float) -> None:
    """Asterisk spoke between two moments, and the switch forwarded nothing from when the call was known to be relayed."""
    between = [p for p in _all_arriving(capture) if start <= p.at < end]
    assert not all(packet.by_switch for packet in between), "Asterisk sent nothing"
    late = [packet.at - relayed for packet in between if packet.by_switch and packet.at > relayed]
    assert not late, f"{len(late)} packets were forwarded after the return: {late}"


def assert_by_switch(capture: Capture, speaker: int, start: float, end: float) -> None:
    """All that was heard of a speaker between two moments came through the switch, and it was not nothing."""
    heard = [packet for packet in capture.heard(speaker) if start <= packet.at < end]
    assert heard
    assert all(packet.by_switch for packet in heard)


def assert_by_asterisk(capture: Capture, speaker: int, start: float, end: float) -> None:
    """All that was heard of a speaker between two moments came from Asterisk, and it was not nothing."""
    heard = [packet for packet in capture.heard(speaker) if start <= packet.at < end]
    assert heard
    assert not any(packet.by_switch for packet in heard)


def assert_not_sent_on(capture: Capture, speaker: int, old: str, after: float) -> None:
    """Nothing of a speaker went to an address that somebody had left, but for what was on its way."""
    late = [p.at - after for p in capture.heard(speaker, at=Address.parse(old)) if p.at > after + OVERLAP]
    assert not late, f"{len(late)} packets were sent to {old}, so late: {late}"


def assert_carried(capture: Capture, start: float, end: float) -> None:
    """The switch carried both voices between two moments, and both were heard whole."""
    for speaker in (BOB, ALICE):
        assert_whole(capture, speaker, start, end)
        assert_by_switch(capture, speaker, start, end)


def _all_arriving(capture: Capture) -> list[Packet]:
    packets = (packet for stream in capture.arriving for packet in stream.packets)
    return sorted(packets, key=lambda packet: packet.at)
