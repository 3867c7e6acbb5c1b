"""The report of our Asterisk module about one leg of a bridge."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.packets.address import Address

UP = "Up"
NATIVE_RTP = "native_rtp"
PARTIES = 2


class Glue(StrEnum):
    """How a channel driver allows its RTP to be bridged (enum ast_rtp_glue_result, asterisk/rtp_engine.h)."""

    NONE = "none"
    FORBID = "forbid"
    REMOTE = "remote"
    LOCAL = "local"


class RtcpMode(StrEnum):
    """Where a leg's RTCP is sent: nowhere, on the port above its RTP (RFC 3550 11), or on the same (RFC 5761)."""

    OFF = "off"
    SEPARATE = "separate"
    MUX = "mux"


@dataclass(frozen=True, slots=True)
class LegReport:
    """Asterisk's view of one leg, as printed by `rtpstreams json` (asterisk-module/README.md).

    Addresses, payload types and SSRCs are None until negotiated or received; `event_pts_tx` and `event_pts_rx` have the
    payload types of telephone-event by clock rate in Hz. `ptime` is in ms, 0 when Asterisk
    does not enforce one. `idle` is the whole seconds since Asterisk last read a packet of this leg,
    `rtp_timeout` and `rtp_keepalive` are the endpoint's settings of that name in seconds, 0 for off. `protocol_id` is the
    SIP Call-ID; None of a channel that has none, one that cannot be shown, or of a module that is older.
    """

    channel: str
    channel_id: str
    state: str
    peer_id: str | None
    bridge_id: str
    bridge_technology: str
    bridge_channels: int
    glue: Glue
    video_glue: Glue
    local: Address | None
    remote: Address | None
    sdp: Address | None
    format_tx: str
    format_rx: str
    formats: tuple[str, ...]
    audio_pt_tx: int | None
    audio_pt_rx: int | None
    event_pts_tx: Mapping[int, int]
    event_pts_rx: Mapping[int, int]
    ptime: int
    rtcp: RtcpMode
    srtp: bool
    dtls: bool
    ice: bool
    symmetric: bool
    hold: bool
    audio_hook: bool
    dtmf_hooks: bool
    generator: bool
    t38: bool
    local_bridge: bool
    ssrc_tx: int | None
    ssrc_rx: int | None
    packets_tx: int
    packets_rx: int
    idle: int | None
    rtp_timeout: int
    rtp_keepalive: int
    protocol_id: str | None = None

    @property
    def source(self) -> Address | None:
        """Where the leg's packets come from; None if it is not symmetric: Asterisk takes them from any address then.

        It goes on sending to the address of the SDP (ast_rtp_read in res/res_rtp_asterisk.c).
        """
        return self.remote if self.symmetric else None
