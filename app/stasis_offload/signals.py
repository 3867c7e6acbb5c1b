"""All that can happen to a dialled call, and all that can be done about it; `dialing` decides which.

`n` is the number of a target in the dial string, counted from 1, and of the leg made for it: callee n, by whatever
channel it is there (legs.py).
Causes are those of Q.850 (asterisk/causes.h).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

CALLER = 0
"""The number of the caller where legs are counted: callee n is leg n."""


class DialStatus(StrEnum):
    """The values of DIALSTATUS that an application of ours sets (app_dial.c)."""

    ANSWER = "ANSWER"
    BUSY = "BUSY"
    CANCEL = "CANCEL"
    CHANUNAVAIL = "CHANUNAVAIL"
    CONGESTION = "CONGESTION"
    INVALIDARGS = "INVALIDARGS"
    NOANSWER = "NOANSWER"


class Cause(IntEnum):
    """The Q.850 causes that the machine itself gives or reads (asterisk/causes.h)."""

    NO_ROUTE_DESTINATION = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_ANSWER = 19
    ANSWERED_ELSEWHERE = 26
    CONGESTION = 34


# Events: what happened, in the order in which it was heard.


@dataclass(frozen=True, slots=True)
class OfCallee:
    """What every event of a callee says: which."""

    n: int


@dataclass(frozen=True, slots=True)
class Started:
    """The caller is in our application: the call begins."""


@dataclass(frozen=True, slots=True)
class Entered(OfCallee):
    """Callee n is in our application (StasisStart)."""


@dataclass(frozen=True, slots=True)
class Failed(OfCallee):
    """No channel could be made for target n."""

    cause: int


@dataclass(frozen=True, slots=True)
class Refused(OfCallee):
    """Callee n is busy or congested, or could not be dialled; its channel still exists."""

    cause: int


@dataclass(frozen=True, slots=True)
class Joined(OfCallee):
    """The caller and callee n are in the bridge."""


@dataclass(frozen=True, slots=True)
class Ringing(OfCallee):
    """Callee n rings (Dial, status RINGING)."""


@dataclass(frozen=True, slots=True)
class Progress(OfCallee):
    """Callee n sends early media (Dial, status PROGRESS)."""


@dataclass(frozen=True, slots=True)
class Answered(OfCallee):
    """Callee n answered (Dial, status ANSWER)."""


@dataclass(frozen=True, slots=True)
class Dying(OfCallee):
    """Asterisk is hanging callee n up (ChannelHangupRequest)."""


@dataclass(frozen=True, slots=True)
class Left(OfCallee):
    """Callee n left our application (StasisEnd): on its way out after Dying, else taken from us."""


@dataclass(frozen=True, slots=True)
class Gone(OfCallee):
    """The channel of callee n is no more (ChannelDestroyed)."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerDying:
    """The caller is being hung up; cause 0 when not known."""

    cause: int


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller left our application, hung up or gone on in the dialplan; cause 0 when not known."""

    cause: int


@dataclass(frozen=True, slots=True)
class Replaced(OfCallee):
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
class TimedOut:
    """The deadline passed."""


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """There is no bridge, the caller cannot be answered, or the two channels cannot be joined."""


Event = (
    Started
    | Entered
    | Failed
    | Refused
    | Joined
    | Ringing
    | Progress
    | Answered
    | Dying
    | Left
    | Gone
    | CallerDying
    | CallerGone
    | Replaced
    | CallerReplaced
    | TimedOut
    | BridgeFailed
)


# Commands: what is to be done, in this order. `hearing.outcome` tells which event answers each. After one that Asterisk
# refused the rest may be left undone, but for Create: a target depends on no other.


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Set DIALSTATUS on the caller, who stays with us."""

    status: DialStatus


@dataclass(frozen=True, slots=True)
class Create:
    """Make the channel of callee n, with the caller as originator."""

    n: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class MakeBridge:
    """Make the bridge of the call."""


@dataclass(frozen=True, slots=True)
class Join:
    """Put the caller and callee n into the bridge; answered by Joined."""

    n: int


@dataclass(frozen=True, slots=True)
class Dial:
    """Dial callee n on behalf of the caller."""

    n: int


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the caller that it rings."""


@dataclass(frozen=True, slots=True)
class StopRing:
    """Stop the tone of an answered caller before the dialplan goes on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Caller and callee n are up and in the bridge: the media side starts."""

    n: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang callee n up; success when it is gone already."""

    n: int
    cause: int


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """Hang the caller up; success when it is gone already."""

    cause: int


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Hang up a channel that is no leg of the call any more, by its id; success when it is gone already."""

    channel: str


@dataclass(frozen=True, slots=True)
class Continue:
    """Set DIALSTATUS and the caller's hang-up cause, then let the caller go on in the dialplan."""

    status: DialStatus
    cause: int


@dataclass(frozen=True, slots=True)
class DestroyBridge:
    """Destroy the bridge of the call; success when it is gone already."""


Command = (
    SetStatus
    | Create
    | MakeBridge
    | Join
    | Dial
    | Ring
    | StopRing
    | Answer
    | Connected
    | HangUp
    | HangUpCaller
    | Dismiss
    | Continue
    | DestroyBridge
)
