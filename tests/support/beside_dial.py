"""The same scene twice: in a call of the application's, which the switch carries, and in one of plain Dial()."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.capture import Capture, SipMessage
from stasis_offload.media.rechecking import LATE
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, UNDER_WAY, Conversation, phones
from tests.support.observed import logged_at, media_moved, returned
from tests.support.phone import Phone, sdp

SETTLED_AFTER = 0.7
ATTEMPTS = 3


@dataclass
class Scene:
    """A conversation in which something is about to happen, and what the phones were told and heard of it."""

    call: Conversation
    switched: bool
    begun: float = 0.0
    ended: float = 0.0
    told: dict[str, list[str]] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)
    asked_in_vain: bool = False

    @property
    def bob(self) -> Phone:
        """The caller's phone."""
        return self.call.bob

    @property
    def alice(self) -> Phone:
        """The callee's phone."""
        return self.call.alice

    def settle(self) -> float:
        """Wait until the media goes its way, by the switch unless it is Dial()'s call; return that moment."""
        if self.switched:
            media_moved()
        return self.call.passed(SETTLED_AFTER)

    @property
    def capture(self) -> Capture:
        """What passed at the edge, once the scene is over."""
        return self.call.capture

    def missed(self) -> dict[int, int]:
        """Count of each speaker the packets that were not heard just once, from the scene's beginning to its end."""
        return {speaker: self._missed(speaker) for speaker in (BOB, ALICE)}

    def _missed(self, speaker: int) -> int:
        said = [p.talk for p in self.capture.said(speaker) if self.begun <= p.at < self.ended - UNDER_WAY]
        heard = [p.talk for p in self.capture.heard(speaker)]
        assert said
        return sum(heard.count(talk) != 1 for talk in said)


@dataclass(frozen=True, slots=True)
class Setting:
    """How the two begin: their SDPs, the endpoints, whether the phones know UPDATE, whether Bob's offer is late."""

    bob: str = ""
    alice: str = ""
    user: str = "bob"
    callee: str = "phone"
    know_update: bool = True
    late: bool = False


def beside_dial(action: Callable[[Scene], None], setting: Setting = Setting()) -> tuple[Scene, Scene]:
    """Play a scene in both kinds of call; return ours, and Dial()'s.

    Ours is played again where the machine stood still while Asterisk was asked about a change: such a call returns.
    """
    scenes = (_play(action, setting, number="custom") for _ in range(ATTEMPTS))
    ours = next((scene for scene in scenes if not scene.asked_in_vain), None)
    assert ours, f"in {ATTEMPTS} of {ATTEMPTS} scenes: {LATE.detail}"
    return ours, _play(action, setting, number="plain")


def _play(action: Callable[[Scene], None], setting: Setting, *, number: str) -> Scene:
    offer, answer = setting.bob or sdp(BOB_PORT), setting.alice or sdp(ALICE_PORT)
    with phones(callee=setting.callee, know_update=setting.know_update) as call:
        call.connect(offer, answer, user=setting.user, number=number, late=setting.late)
        call.speak()
        scene = Scene(call, switched=number == "custom")
        scene.begun = scene.settle()
        action(scene)
        scene.ended = time.time()
        # What they were told before the end has arrived when they are told of that.
        call.bob.hang_up()
        call.alice.ended()
        scene.told = {phone.name: _told_before_the_end(phone, scene) for phone in (call.bob, call.alice)}
        events = [event for event in returned(call.begun) if logged_at(event) < scene.ended]
        scene.returns = [event["reason"] for event in events]
        scene.asked_in_vain = LATE.detail in [event["detail"] for event in events]
    return scene


def _told_before_the_end(phone: Phone, scene: Scene) -> list[str]:
    return [words for words in told(phone.messages, since=scene.begun) if not words.endswith("BYE")]


def told(messages: Sequence[SipMessage], *, since: float) -> list[str]:
    """List what a phone was told, without the repetitions of what went unanswered for long."""
    arrived = {
        (message.start, message.header("CSeq")): _in_short(message)
        for message in messages
        if message.arrived and message.at > since and not message.start.startswith("ACK ")
    }
    return list(arrived.values())


def _in_short(message: SipMessage) -> str:
    """Write the method or the status of a message, and what it says of who and how long."""
    first, second, *_ = message.start.split()
    method = (message.header("CSeq") or "").split()[-1]
    said = (message.header(name) for name in ("P-Asserted-Identity", "Session-Expires"))
    kind = first if second.startswith("sip:") else f"{second} {method}"
    return " ".join([kind, *(value for value in said if value)])
