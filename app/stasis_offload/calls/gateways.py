"""The outside systems of a call, passed as one value."""

from dataclasses import dataclass

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.openflow.switch import Switch


@dataclass(frozen=True, slots=True)
class Gateways:
    """Asterisk's REST interface, the switch, and the CLI of our Asterisk module."""

    ari: AriClient
    switch: Switch
    rtpstreams: RtpStreams
