"""ARI events as values."""

from dataclasses import dataclass
from enum import StrEnum

# The dialplan application, as Asterisk names it.
STASIS = "Stasis"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as represented by ARI (rest-api/api-docs/channels.json, model Channel).

    `state` is Asterisk's name for it (`Up`, `Ring`, `Ringing`, `Down`...), `caller` and `connected` are the
    numbers of the two parties as set on this channel, `application` and `arguments` what the dialplan executes, `place` where:
    context, extension, priority.
    """

    id: str
    name: str
    state: str
    caller: str
    connected: str
    application: str
    arguments: str
    place: tuple[str, str, str] = ("", "", "1")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge as represented by ARI (rest-api/api-docs/bridges.json, model Bridge)."""

    id: str
    technology: str
    channels: tuple[str, ...]


# Connection


@dataclass(frozen=True, slots=True)
class AriUp:
    """Events are delivered from now on. Earlier ones are lost: the state must be read again."""

    asterisk: str  # its version


@dataclass(frozen=True, slots=True)
class AriDown:
    """No events are delivered, and requests fail, until the next AriUp."""

    reason: str


@dataclass(frozen=True, slots=True)
class AriReplaced:
    """Another program registered the name of our Stasis application and now receives its calls."""


# Calls


@dataclass(frozen=True, slots=True)
class StasisStart:
    """A channel entered the application; `replaces` is the id of the channel it replaces, if any."""

    channel: Channel
    args: tuple[str, ...]
    replaces: str | None


@dataclass(frozen=True, slots=True)
class StasisEnd:
    """A channel left the application: hung up, continued in the dialplan, or moved elsewhere."""

    channel: str


@dataclass(frozen=True, slots=True)
class ChannelDestroyed:
    """A channel was destroyed; `cause` is the Q.850 cause."""

    channel: str
    cause: int


@dataclass(frozen=True, slots=True)
class HangupRequested:
    """A channel is being hung up; `cause` is 0 when Asterisk sends none, or a flag in its place."""

    channel: str
    cause: int


class DialState(StrEnum):
    """The states of a dialled channel that we use, of all values of `dialstatus`."""

    RINGING = "RINGING"
    PROGRESS = "PROGRESS"
    ANSWER = "ANSWER"
    BUSY = "BUSY"
    CONGESTION = "CONGESTION"


@dataclass(frozen=True, slots=True)
class DialChanged:
    """The state of a dialled channel (`channel`) changed, `age` seconds after Asterisk created it; None: not known."""

    channel: str
    state: DialState
    age: float | None = None


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A playback ended, or failed; `playback` is the id that was chosen for it."""

    playback: str


@dataclass(frozen=True, slots=True)
class Diverted:
    """A dialled channel forwards the call to `to`: a number of `context`, or `TECH/resource`.

    `context` and `number` are the channel's own.
    """

    channel: str
    to: str
    context: str
    number: str


@dataclass(frozen=True, slots=True)
class FeatureChanged:
    """Asterisk begins with a DTMF feature that a channel asked for, by its name; empty: it has ended (OFFLOAD_FEATURE_STATE)."""

    channel: str
    feature: str


# Possible changes of the media path


@dataclass(frozen=True, slots=True)
class BridgePeer:
    """The bridge of a channel was reconfigured: join, hold, any re-INVITE (ChannelVarset of BRIDGEPEER)."""

    channel: str


@dataclass(frozen=True, slots=True)
class Held:
    """A channel requested hold."""

    channel: str


@dataclass(frozen=True, slots=True)
class Unheld:
    """A channel requested unhold, or sent an INVITE without an offer (session_inv_on_create_offer in res_pjsip_session.c)."""

    channel: str


@dataclass(frozen=True, slots=True)
class EnteredBridge:
    """A channel entered a bridge."""

    bridge: str
    channel: str


@dataclass(frozen=True, slots=True)
class LeftBridge:
    """A channel left a bridge."""

    bridge: str
    channel: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """A transfer or a merge affected these bridges and channels."""

    bridges: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BridgeDestroyed:
    """A bridge was destroyed."""

    bridge: str


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A channel sent a digit (DTMF) that Asterisk has read."""

    channel: str
    digit: str


Event = (
    AriUp
    | AriDown
    | AriReplaced
    | StasisStart
    | StasisEnd
    | ChannelDestroyed
    | HangupRequested
    | DialChanged
    | PlaybackFinished
    | DigitReceived
    | FeatureChanged
    | Diverted
    | BridgePeer
    | Held
    | Unheld
    | EnteredBridge
    | LeftBridge
    | Transferred
    | BridgeDestroyed
)
