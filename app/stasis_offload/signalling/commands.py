"""Commands of the signalling machine, executed in order; `ari_mapping.event_from_result` maps results to events.

After a refused command the rest of the step may be skipped, except after Create: targets are independent.
"""

from dataclasses import dataclass

from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.option_commands import OptionCommand


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Set DIALSTATUS on the caller, who stays in the application; with ANSWER, also who answered.

    DIALEDPEERNAME is the name of the callee's channel, DIALEDPEERNUMBER its target without the technology.
    """

    status: DialStatus


@dataclass(frozen=True, slots=True)
class SetDuration:
    """Set a duration (RINGTIME, PROGRESSTIME) on the caller, in whole seconds, and in ms under NAME_MS."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Create:
    """Create the channel of callee n, with the caller as originator.

    `withholds`: `i`, that it announces no redirection; `I`, that before the answer it is told of no identity and no
    redirection, and tells none.
    """

    n: int
    endpoint: str
    withholds: str = ""


@dataclass(frozen=True, slots=True)
class TellCaller:
    """Tell the caller who callee n is, who has answered, if that is known."""

    n: int


@dataclass(frozen=True, slots=True)
class LeavePickupGroups:
    """Take the caller out of the groups whose calls Pickup() takes.

    A caller who waits in a Stasis bridge has no PBX there (res/stasis/control.c, control_swap_channel_in_bridge), which
    is how Pickup() tells who rings from who calls (main/pickup.c, ast_can_pickup): it would take the caller's place.
    """


@dataclass(frozen=True, slots=True)
class CreateBridge:
    """Create the call's bridge."""


@dataclass(frozen=True, slots=True)
class Join:
    """Put the caller and callee n into the bridge; answered by CalleeBridged.

    Each is told who the other is, unless it is `silent`.
    """

    n: int
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Dial:
    """Dial callee n, on behalf of the caller unless it has inherited."""

    n: int
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class CheckForwards:
    """Refuse the call if it has been forwarded from dialplan to dialplan too often; answered by ForwardsExceeded."""


@dataclass(frozen=True, slots=True)
class CreateDiverted:
    """Create the channel of callee n, to whom callee `by` forwards: `to` in its FORWARD_CONTEXT or `context`, or `TECH/resource`.

    `withholds` as with Create.
    """

    n: int
    by: int
    to: str
    context: str
    withholds: str = ""


@dataclass(frozen=True, slots=True)
class SetDiversion:
    """Set on callee n, which has all that the caller's channel gives it, that callee `by` diverts the call to `to`.

    `number` is that of `by`; if empty, the caller's extension is taken for it.
    """

    n: int
    by: int
    number: str
    to: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Indicate ringing to the caller."""


@dataclass(frozen=True, slots=True)
class StopRing:
    """Stop the ringing tone of an answered caller before the dialplan continues."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Indicate early media to the caller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller; `bridged`: in the bridge, which is to choose its technology anew."""

    bridged: bool = False


@dataclass(frozen=True, slots=True)
class StartMedia:
    """Start the media of caller and callee n, who are up and in the bridge."""

    n: int


@dataclass(frozen=True, slots=True)
class ReturnMedia:
    """Return the media to Asterisk until StartMedia; flows as with EndMedia."""


@dataclass(frozen=True, slots=True)
class EndMedia:
    """Return the media to Asterisk for good; afterwards no flow of the call is in the switch, if it can be reached."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up callee n; succeeds if it is already gone."""

    n: int
    cause: int


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """Hang up the caller; succeeds if it is already gone."""

    cause: int


@dataclass(frozen=True, slots=True)
class Release:
    """Hang up callee n if it is still the application's and no other program is moving it elsewhere."""

    n: int
    cause: int


@dataclass(frozen=True, slots=True)
class ReleaseCaller:
    """Hang up the caller on the conditions of Release."""

    cause: int


@dataclass(frozen=True, slots=True)
class HangUpReplaced:
    """Hang up a replaced channel, by its id; succeeds if it is already gone."""

    channel: str
    cause: int = Cause.NORMAL_CLEARING


@dataclass(frozen=True, slots=True)
class ContinueInDialplan:
    """Set DIALSTATUS and the caller's hang-up cause, then return the caller to the dialplan.

    To a place `[[context^]exten^]priority` if one is given.
    """

    status: DialStatus
    cause: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class DestroyBridge:
    """Destroy the call's bridge; succeeds if it is already gone."""


Command = (
    SetStatus
    | SetDuration
    | Create
    | TellCaller
    | LeavePickupGroups
    | CreateBridge
    | Join
    | Dial
    | CheckForwards
    | CreateDiverted
    | SetDiversion
    | Ring
    | StopRing
    | Progress
    | Answer
    | StartMedia
    | ReturnMedia
    | EndMedia
    | HangUp
    | HangUpCaller
    | Release
    | ReleaseCaller
    | HangUpReplaced
    | ContinueInDialplan
    | DestroyBridge
    | OptionCommand
)
