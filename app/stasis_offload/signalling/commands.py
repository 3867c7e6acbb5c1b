"""What can be done about a dialled call, in this order; `ari_mapping.outcome` tells which event answers each.

After one that Asterisk refused the rest may be left undone, but for Create: a target depends on no other.
"""

from dataclasses import dataclass

from stasis_offload.signalling.causes import DialStatus


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
class CreateBridge:
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
class StartMedia:
    """Caller and callee n are up and in the bridge: the media side starts."""

    n: int


@dataclass(frozen=True, slots=True)
class EndMedia:
    """Take the media back for good: when this is done, no flow of the call is left in the switch."""


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
class HangUpReplaced:
    """Hang up a channel that is no leg of the call any more, by its id; success when it is gone already."""

    channel: str


@dataclass(frozen=True, slots=True)
class ContinueInDialplan:
    """Set DIALSTATUS and the caller's hang-up cause, then let the caller go on in the dialplan."""

    status: DialStatus
    cause: int


@dataclass(frozen=True, slots=True)
class DestroyBridge:
    """Destroy the bridge of the call; success when it is gone already."""


Command = (
    SetStatus
    | Create
    | CreateBridge
    | Join
    | Dial
    | Ring
    | StopRing
    | Answer
    | StartMedia
    | EndMedia
    | HangUp
    | HangUpCaller
    | HangUpReplaced
    | ContinueInDialplan
    | DestroyBridge
)
