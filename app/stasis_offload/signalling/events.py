"""Events of the signalling machine, in the order in which Asterisk reports them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CalleeEvent:
    """An event about callee n."""

    n: int


@dataclass(frozen=True, slots=True)
class Started:
    """The caller entered the application: the call starts.

    `local` is whether it is a Local channel, `up` whether it is answered already.
    """

    local: bool = False
    up: bool = False


@dataclass(frozen=True, slots=True)
class CalleeEnteredStasis(CalleeEvent):
    """Callee n entered the application (StasisStart)."""


@dataclass(frozen=True, slots=True)
class CreateFailed(CalleeEvent):
    """The channel for target n could not be created."""

    cause: int


@dataclass(frozen=True, slots=True)
class CalleeRejected(CalleeEvent):
    """Callee n is busy or congested, or could not be dialled; its channel still exists."""

    cause: int


@dataclass(frozen=True, slots=True)
class CalleeBridged(CalleeEvent):
    """The caller and callee n are in the bridge."""


@dataclass(frozen=True, slots=True)
class CalleeRinging(CalleeEvent):
    """Callee n rings (Dial, status RINGING), `age` seconds after its channel was created; None: not known."""

    age: float | None = None


@dataclass(frozen=True, slots=True)
class CalleeProgress(CalleeEvent):
    """Callee n sends early media (Dial, status PROGRESS); `age` as in CalleeRinging."""

    age: float | None = None


@dataclass(frozen=True, slots=True)
class CalleeAnswered(CalleeEvent):
    """Callee n answered (Dial, status ANSWER)."""


@dataclass(frozen=True, slots=True)
class CalleeHangingUp(CalleeEvent):
    """Asterisk is hanging callee n up (ChannelHangupRequest)."""


@dataclass(frozen=True, slots=True)
class CalleeLeftStasis(CalleeEvent):
    """Callee n left the application (StasisEnd): it hangs up if CalleeHangingUp came before, else it was redirected."""


@dataclass(frozen=True, slots=True)
class CalleeNotSent(CalleeEvent):
    """Callee n could not be sent into the dialplan: there is no such place, or its channel is gone."""


@dataclass(frozen=True, slots=True)
class CalleeDestroyed(CalleeEvent):
    """The channel of callee n was destroyed (ChannelDestroyed)."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerHangingUp:
    """The caller is hanging up; cause 0 when unknown."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller left the application: hung up, or continued in the dialplan. Cause 0 when unknown."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerSentDigit:
    """The caller sent a digit (DTMF)."""

    digit: str


@dataclass(frozen=True, slots=True)
class DisconnectAsked:
    """A party has asked by digits for the end of the call (options h and H)."""


@dataclass(frozen=True, slots=True)
class ParkAsked:
    """Leg `leg` has asked by digits to park the other one (options k and K)."""

    leg: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """Asterisk takes both parties into a bridge of its own, for the rest of the call; not `begun`: nothing became of it."""

    begun: bool


@dataclass(frozen=True, slots=True)
class LeftBridge:
    """Leg `leg` left the call's bridge."""

    leg: int


@dataclass(frozen=True, slots=True)
class ExitFound:
    """The caller's digit leads to `context^digit^priority`."""

    place: str


@dataclass(frozen=True, slots=True)
class CalleeDiverted(CalleeEvent):
    """Callee n, whose own number is `number`, forwards the call (Dial, with `forward`) and ends.

    `to` is a number of `context`, or `TECH/resource`; `number` is empty if Asterisk does not know it.
    """

    to: str
    context: str
    number: str


@dataclass(frozen=True, slots=True)
class ForwardsExceeded:
    """The call has been forwarded from dialplan to dialplan as often as Asterisk allows: it must not be dialled."""


@dataclass(frozen=True, slots=True)
class CalleeReplaced(CalleeEvent):
    """A replacement channel is callee n from now on; `old` is the id of the replaced channel.

    `joined` is whether the replacement is in the bridge.
    """

    old: str
    joined: bool


@dataclass(frozen=True, slots=True)
class CalleePickedUp(CalleeEvent):
    """A channel that is up has become callee n, whom we are dialling; `old` is the id of the channel that rang."""

    old: str


@dataclass(frozen=True, slots=True)
class CallerReplaced:
    """A replacement channel is the caller from now on; `old` and `joined` as in CalleeReplaced."""

    old: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Played:
    """What was played to leg `leg` has ended, or could not be played."""

    leg: int


@dataclass(frozen=True, slots=True)
class SubReturned(CalleeEvent):
    """The subroutine on callee n, who has answered, returned; `result` is its GOSUB_RESULT, empty if it set none."""

    result: str


@dataclass(frozen=True, slots=True)
class LimitSoundsRead:
    """The announcements of a time limit: to whom, and a file for each; `timeleft`: the time that is left is said.

    `connect` is for the beginning of the conversation, `end` for its end (empty: nothing).
    """

    to_caller: bool = True
    to_callee: bool = False
    connect: str = ""
    warning: str = "timeleft"
    end: str = ""


NO_LIMIT_SOUNDS_READ = LimitSoundsRead()


@dataclass(frozen=True, slots=True)
class DialTimedOut:
    """The deadline passed."""


@dataclass(frozen=True, slots=True)
class BridgeRefused:
    """Asterisk makes no bridge for the call; nobody has been dialled, and no channel created."""


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """The bridge is missing, the caller cannot be answered, or the two channels cannot be joined."""


Event = (
    Started
    | CalleeEnteredStasis
    | CreateFailed
    | CalleeRejected
    | CalleeBridged
    | CalleeRinging
    | CalleeProgress
    | CalleeAnswered
    | CalleeHangingUp
    | CalleeLeftStasis
    | CalleeNotSent
    | CalleeDestroyed
    | CallerHangingUp
    | CallerLeft
    | CallerSentDigit
    | DisconnectAsked
    | ParkAsked
    | HandOver
    | LeftBridge
    | ExitFound
    | CalleeDiverted
    | ForwardsExceeded
    | CalleeReplaced
    | CalleePickedUp
    | CallerReplaced
    | Played
    | SubReturned
    | LimitSoundsRead
    | DialTimedOut
    | BridgeRefused
    | BridgeFailed
)
