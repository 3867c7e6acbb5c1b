"""Every reason for which a call's media is relayed: its name and its explanation."""

from dataclasses import dataclass, field
from enum import StrEnum

from stasis_offload.media.path import Leg


class ReasonKind(StrEnum):
    """The name of a reason, as in the log, `stasis-offload calls`, the HTTP interface and OFFLOAD_REASON."""

    NOT_CONNECTED = "not-connected"
    UNREPORTED = "unreported"
    NOT_UP = "not-up"
    NOT_TWO_PARTIES = "not-two-parties"
    NOT_NATIVE = "not-native"
    NOT_RTP = "not-rtp"
    T38 = "t38"
    ENCRYPTED = "encrypted"
    ICE = "ice"
    GLUE_FORBIDS = "glue-forbids"
    DIRECT_MEDIA = "direct-media"
    VIDEO = "video"
    RTCP_MUX = "rtcp-mux"
    RTCP_OFF = "rtcp-off"
    RTP_TIMEOUT = "rtp-timeout"
    RTP_KEEPALIVE = "rtp-keepalive"
    AUDIO_HOOK = "audio-hook"
    HOLD = "hold"
    CODEC = "codec-mismatch"
    PTIME = "ptime-mismatch"
    AUDIO_PT = "audio-payload-type-mismatch"
    EVENT_PT = "event-payload-type-mismatch"
    NULL_ADDRESS = "null-address"
    ADDRESS_FAMILY = "address-family"
    HAIRPIN = "hairpin"
    NO_MEDIA = "no-media"
    BYPASSES_SWITCH = "bypasses-switch"
    DIFFERENT_SWITCHES = "different-switches"
    FOREIGN_MEDIA = "foreign-media"
    FOREIGN_SSRC = "foreign-ssrc"
    FOREIGN_SOURCE = "foreign-source"
    LOW_TTL = "low-ttl"
    ASTERISK_MEDIA = "asterisk-media"
    DOUBLED = "doubled"
    FLAPPING = "flapping"
    NOT_RECEIVED = "not-received"
    NOT_RELAYED = "not-relayed"
    ROUTE_CHANGED = "route-changed"
    PORT_DOWN = "port-down"
    MEDIA_IDLE = "media-idle"
    FLOW_LOST = "flow-lost"
    DEAF = "deaf"
    CALL_CHANGED = "call-changed"
    MODULE_UNREACHABLE = "module-unreachable"
    ASTERISK_UNREACHABLE = "asterisk-unreachable"
    SWITCH_UNREACHABLE = "switch-unreachable"
    SWITCH_REFUSED = "switch-refused"
    TABLE_FULL = "table-full"
    EXCLUDED_VARIABLE = "excluded-variable"
    EXCLUDED_POLICY = "excluded-policy"
    EXCLUDED_SHARE = "excluded-share"
    QUEUED = "queued"
    OVERLOAD = "overload"
    FEATURES = "features"
    AWAY = "away"
    NO_PBX = "no-pbx"
    ARGUMENTS = "arguments"
    NO_BRIDGE = "no-bridge"
    OPERATOR = "operator"
    MEASUREMENT = "measurement"
    DTMF_FEATURE = "dtmf-feature"
    DTMF_UNSEEN = "dtmf-unseen"
    STOPPING = "stopping"
    DEFECT = "defect"
    ENDED = "ended"


EXPLANATIONS: dict[ReasonKind, str] = {
    ReasonKind.NOT_CONNECTED: "The call is not answered yet.",
    ReasonKind.UNREPORTED: "The Asterisk module does not list this leg in the call's bridge.",
    ReasonKind.NOT_UP: "The leg's channel is not Up.",
    ReasonKind.NOT_TWO_PARTIES: "The bridge does not have exactly two channels.",
    ReasonKind.NOT_NATIVE: "Asterisk itself does not bridge the call natively (native_rtp with a local RTP bridge).",
    ReasonKind.NOT_RTP: "The leg's channel has no RTP of its own: a Local channel, for one, as after a transfer to a Dial() call.",
    ReasonKind.T38: "A fax is being negotiated or sent (T.38): its packets are not RTP.",
    ReasonKind.ENCRYPTED: "The leg's media is encrypted (SRTP or DTLS): only Asterisk has the keys.",
    ReasonKind.ICE: "The endpoint uses ICE (ice_support): its checks are answered by Asterisk and arrive on the RTP port.",
    ReasonKind.GLUE_FORBIDS: "The channel driver forbids native bridging: no audio stream, T.38 refused or over, or encryption.",
    ReasonKind.DIRECT_MEDIA: "The leg uses direct media, so its RTP does not pass this host.",
    ReasonKind.VIDEO: "The leg has video.",
    ReasonKind.RTCP_MUX: "The leg's RTCP shares the RTP port.",
    ReasonKind.RTCP_OFF: "The leg has no RTCP, so Asterisk does not report which SSRC it receives.",
    ReasonKind.RTP_TIMEOUT: "The endpoint's rtp_timeout is below 10 s: Asterisk could not be kept from timing out while media flows.",
    ReasonKind.RTP_KEEPALIVE: "The endpoint has rtp_keepalive: Asterisk would send packets of its own into the stream.",
    ReasonKind.AUDIO_HOOK: "A recording, a snoop, a mute or talk detection needs the leg's audio in Asterisk.",
    ReasonKind.HOLD: "The leg has been put on hold by the other.",
    ReasonKind.CODEC: "The legs use different codecs, so Asterisk has to transcode.",
    ReasonKind.PTIME: "The legs negotiated different packet times.",
    ReasonKind.AUDIO_PT: "The legs use different payload types for the codec (`explain` has both), and a switch cannot rewrite them.",
    ReasonKind.EVENT_PT: "One leg has telephone-event and the other not, or both have, by different payload types, and the size does not tell digits from audio.",
    ReasonKind.NULL_ADDRESS: "An address of the leg is null, loopback, of one link alone (IPv6 with a zone) or not yet known.",
    ReasonKind.ADDRESS_FAMILY: "One leg is IPv4 and the other IPv6.",
    ReasonKind.HAIRPIN: "The leg's far end is an address of the call's own on this host.",
    ReasonKind.NO_MEDIA: "No RTP arrives from the leg, at Asterisk neither.",
    ReasonKind.BYPASSES_SWITCH: "Asterisk receives the leg's RTP, but none to Asterisk's address and port passes the switch: it comes by an interface that is not on the OVS bridge, or is redirected behind it (DNAT, a proxy). Lead it through the bridge.",
    ReasonKind.DIFFERENT_SWITCHES: "No switch sees the whole call: what the legs send, or what Asterisk sends to them, passes different ones.",
    ReasonKind.FOREIGN_MEDIA: "What arrives from the leg is not RTP of an agreed payload type.",
    ReasonKind.FOREIGN_SSRC: "The SSRC on the wire is not the one that Asterisk receives.",
    ReasonKind.FOREIGN_SOURCE: "The leg's packets come from another address than Asterisk reports (source NAT between the switch and Asterisk, or a move that strictrtp refuses), or by another way than was learned; or somebody else sends RTP to the leg's port while strictrtp still learns, in the first 5 s.",
    ReasonKind.LOW_TTL: "The leg's packets have a TTL below 16; Asterisk relays them with a new one.",
    ReasonKind.ASTERISK_MEDIA: "Asterisk sends the leg RTP of its own: music, a tone, a digit, an announcement.",
    ReasonKind.DOUBLED: "The leg's RTP reaches Asterisk although the switch forwards it, and is relayed a second time: it comes by the bridge and beside it, or past the application's flows. Often Linux answers ARP for the bridge's address at its port, too: set net.ipv4.conf.all.arp_ignore to 1. The call is tried again after media.flap_wait.",
    ReasonKind.FLAPPING: "The call returned to Asterisk too often within a minute (media.returns_per_minute, media.flap_wait).",
    ReasonKind.NOT_RECEIVED: "The leg's packets pass the switch, and Asterisk does not receive them: the other party hears nothing. A firewall of the host drops them, or they are led elsewhere.",
    ReasonKind.NOT_RELAYED: "Asterisk does not relay the leg's packets to the other unchanged, or not by the switch, or always more than a packet time later.",
    ReasonKind.ROUTE_CHANGED: "Asterisk sends to the leg by another port, VLAN or next hop than was learned.",
    ReasonKind.PORT_DOWN: "A port of the switch by which the leg was reached is down or gone.",
    ReasonKind.MEDIA_IDLE: "The leg fell silent while the switch carried it, and sent no RTCP either.",
    ReasonKind.FLOW_LOST: "The leg's flow is missing, or the leg's packets do not go by it: another program's flows take them.",
    ReasonKind.DEAF: "The leg's RTCP reports showed no progress while the switch forwarded to it; the call stays until Asterisk changes the bridge or the session.",
    ReasonKind.CALL_CHANGED: "Asterisk changed the bridge or the session, so what was learned may be outdated.",
    ReasonKind.MODULE_UNREACHABLE: "The Asterisk module did not answer (see `stasis-offload check`).",
    ReasonKind.ASTERISK_UNREACHABLE: "No events arrive from Asterisk (see `stasis-offload check`), so no change would be noticed.",
    ReasonKind.SWITCH_UNREACHABLE: "There is no connection to the switch (see `stasis-offload check`).",
    ReasonKind.SWITCH_REFUSED: "The switch refused the flows.",
    ReasonKind.TABLE_FULL: "The switch's tables have no room for all flows of one more call; the calls that are in stay, and the one that has waited longest is next (`stasis-offload check` says for how many there is room).",
    ReasonKind.EXCLUDED_VARIABLE: "The caller's OFFLOAD keeps the call with Asterisk: it says no, or a share of the calls that this one is not in, or cannot be read (`explain` has it).",
    ReasonKind.EXCLUDED_POLICY: "A rule of the policy says never of this call: `explain` has the number of its [[policy]], and by what it is of the call.",
    ReasonKind.EXCLUDED_SHARE: "A rule of the policy offloads a share of the calls that this one is not in: `explain` has the number of its [[policy]], and both figures.",
    ReasonKind.QUEUED: "Other calls are on their way into the switch, or are being dialled; it is soon this one's turn.",
    ReasonKind.OVERLOAD: "The application did not keep up with its callers, so OffloadDial() left the call to Dial() to its end (OFFLOAD_PATIENCE, docs/dial.md). Only in OFFLOAD_REASON: the application does not know the call.",
    ReasonKind.FEATURES: "The caller has DTMF features that need a bridge of Dial(), which made the call: DYNAMIC_FEATURES, BRIDGE_FEATURES, or a code for an attended transfer, option t or T, and one of e, F, L and S (docs/dial.md). Only in OFFLOAD_REASON: the application does not know the call.",
    ReasonKind.AWAY: "The application was not there when the call began, or not connected to Asterisk, so OffloadDial() left the call to Dial() to its end. Only in OFFLOAD_REASON: the application does not know the call.",
    ReasonKind.NO_PBX: "The caller is not in a dialplan to which the application could return it (it was originated to OffloadDial() itself), so Dial() made the call. Only in OFFLOAD_REASON: the application does not know the call.",
    ReasonKind.ARGUMENTS: "The application left the call to Dial(), which has an option or an argument that the application does not know (`call.refused` in the log says which). Only in OFFLOAD_REASON.",
    ReasonKind.NO_BRIDGE: "Asterisk refused the application a bridge, so Dial() made the call (`stasis-offload check` says what is missing). Only in OFFLOAD_REASON.",
    ReasonKind.OPERATOR: "An operator blocked the call (`stasis-offload relay`); `stasis-offload offload` lifts the block.",
    ReasonKind.MEASUREMENT: "An operator measures what relaying costs Asterisk (`stasis-offload stats --measure`): the switch has the call back within seconds.",
    ReasonKind.DTMF_FEATURE: "Asterisk does what a party asked for by digits (t, h, k or x of Dial()): a transfer, for one.",
    ReasonKind.DTMF_UNSEEN: "The leg may ask for features by digits, and the switch could not tell them from audio: it has no telephone-event, a codec of varying size, or a VLAN tag.",
    ReasonKind.STOPPING: "The application is shutting down.",
    ReasonKind.DEFECT: "A defect of stasis-offload, in the log as media.defect: Asterisk relays this call to its end.",
    ReasonKind.ENDED: "The call is over.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a call is relayed, and the leg if the reason is one leg's.

    `detail` is what was compared, in words: what the legs differ in, or the wire and Asterisk. It makes no other reason.
    """

    kind: ReasonKind
    leg: Leg | None = None
    detail: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}:{self.leg}" if self.leg else str(self.kind)


def reasons_as_markdown() -> str:
    """Return the documentation page that explains every reason."""
    lines = [
        "# Why a call is relayed",
        "",
        "Written by `stasis-offload reasons --markdown`. A reason that is one leg's own is followed by `:caller` or",
        "`:callee`. The same name is in `stasis-offload calls`, in `GET /calls`, in the log (`reason`), and in the",
        "channel variable `OFFLOAD_REASON`.",
        "",
        "| reason | means |",
        "|---|---|",
        *(f"| `{kind}` | {sentence} |" for kind, sentence in EXPLANATIONS.items()),
    ]
    return "\n".join(lines) + "\n"
