"""What can happen to a dialled call, in the order in which it was reported."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CalleeEvent:
    """What every event of a callee says: which."""

    n: int


@dataclass(frozen=True, slots=True)
class Started:
    """The caller is in our application: the call begins."""


@dataclass(frozen=True, slots=True)
class CalleeEnteredStasis(CalleeEvent):
    """Callee n is in our application (StasisStart)."""


@dataclass(frozen=True, slots=True)
class CreateFailed(CalleeEvent):
    """No channel could be made for target n."""

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
    """Callee n rings (Dial, status RINGING)."""


@dataclass(frozen=True, slots=True)
class CalleeProgress(CalleeEvent):
    """Callee n sends early media (Dial, status PROGRESS)."""


@dataclass(frozen=True, slots=True)
class CalleeAnswered(CalleeEvent):
    """Callee n answered (Dial, status ANSWER)."""


@dataclass(frozen=True, slots=True)
class CalleeHangingUp(CalleeEvent):
    """Asterisk is hanging callee n up (ChannelHangupRequest)."""


@dataclass(frozen=True, slots=True)
class CalleeLeftStasis(CalleeEvent):
    """Callee n left our application (StasisEnd): on its way out after Dying, else taken from us."""


@dataclass(frozen=True, slots=True)
class CalleeDestroyed(CalleeEvent):
    """The channel of callee n is no more (ChannelDestroyed)."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerHangingUp:
    """The caller is being hung up; cause 0 when not known."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller left our application, hung up or gone on in the dialplan; cause 0 when not known."""

    cause: int


@dataclass(frozen=True, slots=True)
class CalleeReplaced(CalleeEvent):
    """A newcomer stands for callee n from here on. `old` is the id of the channel that it took the place of.

    `joined` is whether the newcomer is in the bridge.
    """

    old: str
    joined: bool


@dataclass(frozen=True, slots=True)
class CallerReplaced:
    """A newcomer stands for the caller from here on; `old` and `joined` as in Replaced."""

    old: str
    joined: bool


@dataclass(frozen=True, slots=True)
class DialTimedOut:
    """The deadline passed."""


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """There is no bridge, the caller cannot be answered, or the two channels cannot be joined."""


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
    | CalleeDestroyed
    | CallerHangingUp
    | CallerLeft
    | CalleeReplaced
    | CallerReplaced
    | DialTimedOut
    | BridgeFailed
)
