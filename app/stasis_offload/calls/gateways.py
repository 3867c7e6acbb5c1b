"""What all calls share, passed as one value."""

import asyncio
from dataclasses import dataclass, field

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.channel_variables import WRITERS
from stasis_offload.calls.exclusion import RulesInForce
from stasis_offload.calls.hep_sender import HepSender
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.calls.statistics import Statistics
from stasis_offload.media.flows import MOST_FLOWS
from stasis_offload.openflow.switch import Switch
from stasis_offload.signalling.call_ids import CallIds


@dataclass(frozen=True, slots=True)
class Gateways:
    """Asterisk's REST interface, the switches, the CLI of our Asterisk module, our ids, for what calls wait for their turn, the rules, what is counted, and the Homer collector.

    A switch has a number, its place among `switches`: the operator's order, in which they are preferred.
    """

    ari: AriClient
    switches: tuple[Switch, ...]
    rtpstreams: RtpStreams
    ids: CallIds
    learning: LearningQueue = field(default_factory=LearningQueue)
    variable_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITERS))
    rules: RulesInForce = field(default_factory=RulesInForce)
    statistics: Statistics = field(default_factory=Statistics)
    hep: HepSender = field(default_factory=HepSender)

    def __post_init__(self) -> None:
        """Let each switch know what a call needs."""
        for switch in self.switches:
            switch.flow_table.room.needs = MOST_FLOWS
