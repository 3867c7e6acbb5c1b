"""Calls and health as the operator sees them."""

from collections.abc import Mapping
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
    `switch` is the name of the switch that carries it, if there are several.
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
    switch: str | None = None
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
class Block:
    """What an operator has done to all calls, those to come too (`relay --all`): how many seconds ago, and who it was."""

    age: float
    by: str


@dataclass(frozen=True, slots=True)
class Health:
    """Health of the application; each problem is one sentence, and without any it is healthy.

    `blocked` is there while an operator blocks all calls; `drained` is whether the dialplan refuses new ones. `passed_by` is how many calls were left to Dial(), by reason
    (calls/passed_by.py). `version` is that of the application, `module` that of the Asterisk module, None while it does not answer.
    """

    calls: int
    blocked: Block | None
    drained: bool
    passed_by: Mapping[str, int]
    problems: tuple[str, ...]
    version: str
    module: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Stats:
    """What has become of all calls since this process began, `age` seconds ago.

    `states` is how many are up, by state, `calls` how many there were, with those that are up, `carried` how many of them were
    ever in the switch. `talked` and `offloaded` are the seconds in which their parties could talk, and in which the switch carried
    them. `packets` is what it forwarded, none of which woke Asterisk. `asterisk_cpu` is the seconds of processor time that Asterisk
    has used since it began, None where that cannot be seen.
    """

    age: float
    states: Mapping[str, int]
    calls: int
    carried: int
    talked: float
    offloaded: float
    packets: int
    asterisk_cpu: float | None
