"""What has happened to calls since the process began, in plain numbers. No I/O."""

from collections import Counter

from stasis_offload.measures import Histogram
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.flow import FlowCount

# Seconds: from the caller's entry until a target is dialled, and until a call that is learned is in the switch. The
# latter takes two packets of each leg or, of one that is silent, as long as the silence.
SET_UP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LEARNING_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Seconds from what ends a stay in the switch until its flows are removed: a packet time is 0.02.
RETURN_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# The E-model's scores: below 3.1 nearly all users are dissatisfied, above 4.0 they are satisfied (ITU-T G.107, annex B).
MOS_BOUNDS = (1.0, 2.0, 2.6, 3.1, 3.6, 4.0, 4.2, 4.3, 4.4, 4.5)
LOSS_BOUNDS = (0.0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
JITTER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25)
RTT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


class Statistics:
    """Counters and histograms of all calls of this process.

    `begun` is by origin (`new`, `adopted`), `ended` by whether the call was ever in the switch, `moves` into the switch
    (`offload`) and out (`return`) by reason. `passed_by` are the calls that were left to Dial(), by reason (media/reasons.py): by
    the application, and what Asterisk has counted since it loaded its module, once that is known (passed_by.py): an old number
    would appear as news.
    `forwarded` is what the switch forwarded of calls that have ended, `talked` and `offloaded` the seconds in which their parties
    could talk, and in which the switch carried them. The quality is that of each leg of a call that
    ended, as far as it was known; `packet_ins` is by role.
    """

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter(new=0, adopted=0)
        self.ended: Counter[bool] = Counter({False: 0, True: 0})
        self.moves: Counter[tuple[str, str]] = Counter({("offload", ""): 0})
        self.passed_by = Counter[str]({ReasonKind.ARGUMENTS: 0, ReasonKind.NO_BRIDGE: 0})
        self.forwarded = FlowCount()
        self.talked = 0.0
        self.offloaded = 0.0
        self.packet_ins = [0] * (max(Role) + 1)
        self.set_up = Histogram(SET_UP_BOUNDS)
        self.learning = Histogram(LEARNING_BOUNDS)
        self.returning = Histogram(RETURN_BOUNDS)
        self.mos = Histogram(MOS_BOUNDS)
        self.loss = Histogram(LOSS_BOUNDS)
        self.jitter = Histogram(JITTER_BOUNDS)
        self.rtt = Histogram(RTT_BOUNDS)

    def note_move(self, before: Placement, after: Placement, now: float) -> None:
        """Count a move into the switch or out of it; nothing if the step is none."""
        was, is_now = before.state is State.OFFLOADED, after.state is State.OFFLOADED
        if is_now and not was:
            self.moves["offload", ""] += 1
            self.learning.observe(now - before.since)
        elif was and not is_now:
            kind = after.reason.kind if after.reason else ReasonKind.ENDED
            self.moves["return", str(kind)] += 1

    def note_end(
        self, placement: Placement, quality: Quality, *, carried: bool, talked: float, offloaded: float
    ) -> None:
        """Count a call that has ended: whether and for how long the switch carried it, what was forwarded, and its quality."""
        self.ended[carried] += 1
        self.talked += talked
        self.offloaded += offloaded
        for leg in Leg:
            self.forwarded += placement.forwarded(leg)
            found = quality.of(leg)
            if found.mos is not None:
                self.mos.observe(found.mos)
            if found.loss is not None:
                self.loss.observe(found.loss)
            if found.jitter_ms is not None:
                self.jitter.observe(found.jitter_ms / 1000)
            if found.rtt_ms is not None:
                self.rtt.observe(found.rtt_ms / 1000)
