"""What all calls share, passed as one value."""

from dataclasses import dataclass, field

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.openflow.switch import Switch


@dataclass(frozen=True, slots=True)
class Gateways:
    """Asterisk's REST interface, the switch, the CLI of our Asterisk module, and the turns of the calls to be learned."""

    ari: AriClient
    switch: Switch
    rtpstreams: RtpStreams
    learning: LearningQueue = field(default_factory=LearningQueue)
