"""Calls and health as the operator sees them."""

from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.errors import OffloadError
from stasis_offload.media.quality import LegQuality
from stasis_offload.openflow.flow import FlowCount


class UnknownCallError(OffloadError):
    """There is no call with that id, or no longer."""


class CallState(StrEnum):
    """The words for `state` of a call, in `calls`, the HTTP interface and the metrics."""

    DIALING = "dialing"
    RELAYED = "relayed"
    LEARNING = "learning"
    OFFLOADED = "offloaded"


@dataclass(frozen=True, slots=True)
class CallView:
    """One call as it is now.

    `caller` and `callee` are channel names (`callee` None until there is one). `state` is one word: `dialing`,
    or the state of its media (`relayed`, `learning`, `offloaded`); `reason` says why it is not offloaded, `detail`
    what was compared for that, in words, where it was.
    `age` is the seconds since the call entered the application, `state_age` since it entered its state.
    `from_caller` and `from_callee` are what the switch forwarded of each leg's packets over the whole call, unless they
    are `partial`: an earlier process began the call, and `age` is of this one too, or a counter could not be read.
    `strangers_at_caller` and `strangers_at_callee` are how many packets came to each leg's RTP port from elsewhere.
    `caller_quality` and `callee_quality` are the quality of what each leg receives.
    """

    call: str
    caller: str
    callee: str | None
    state: str
    reason: str | None
    detail: str | None
    age: float
    state_age: float
    from_caller: FlowCount
    from_callee: FlowCount
    caller_quality: LegQuality
    callee_quality: LegQuality
    partial: bool = False
    strangers_at_caller: int = 0
    strangers_at_callee: int = 0

    @property
    def reason_kind(self) -> str | None:
        """The name of the reason, without the leg."""
        return self.reason and self.reason.partition(":")[0]


@dataclass(frozen=True, slots=True)
class MoveView:
    """A change of what carries a call's media, or of the reason, `age` seconds ago; the fields are those of CallView."""

    age: float
    state: str
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class CallDetails:
    """One call and its last moves, the oldest first.

    Of a call that ended `ended_age` seconds ago, which is None while it is up, the view is that of its end.
    """

    view: CallView
    moves: tuple[MoveView, ...]
    ended_age: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """Health of the application; each problem is one sentence, and without any it is healthy.

    `blocked` is True while an operator blocks all calls, new ones too (`relay --all`). `overloads` is how many calls
    OffloadDial() has left to Dial() because the application did not keep up, since Asterisk began. `version` is that of the
    application, `module` that of the Asterisk module, None while it does not answer.
    """

    calls: int
    blocked: bool
    overloads: int
    problems: tuple[str, ...]
    version: str
    module: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
