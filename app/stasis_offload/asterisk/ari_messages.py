"""The strict parser of ARI's messages. Other event types are ignored; a malformed one is an error."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stasis_offload.asterisk.ari_events import (
    AriReplaced,
    Bridge,
    BridgeDestroyed,
    BridgePeer,
    Channel,
    ChannelDestroyed,
    DialChanged,
    DialState,
    DigitReceived,
    Diverted,
    EnteredBridge,
    Event,
    FeatureChanged,
    HangupRequested,
    Held,
    LeftBridge,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    Transferred,
    Unheld,
)
from stasis_offload.asterisk.ari_fields import BadEventError, Fields

_FEATURE_STATE = "OFFLOAD_FEATURE_STATE"
_VARIABLES = ("BRIDGEPEER", _FEATURE_STATE)


def parse_event(message: object) -> Event | None:
    """Parse one message of the ARI websocket, already decoded from JSON; None for a type we ignore.

    Raises:
        BadEventError: naming the type and the field.

    """
    match message:
        case {"type": str(kind)} if kind in _PARSERS:
            return _PARSERS[kind](Fields(kind, message))
        case {"type": str()}:
            return None
        case _:
            raise BadEventError("a message of ARI is not an object with a type")


def parse_channel(value: object) -> Channel:
    """Parse a Channel model.

    Raises:
        BadEventError: naming the field.

    """
    fields = Fields("Channel", value)
    return Channel(
        id=fields.text("id"),
        name=fields.text("name"),
        state=fields.text("state"),
        caller=fields.text("caller", "number", default=""),
        connected=fields.text("connected", "number", default=""),
        application=fields.text("dialplan", "app_name", default=""),
        arguments=fields.text("dialplan", "app_data", default=""),
        place=(
            fields.text("dialplan", "context", default=""),
            fields.text("dialplan", "exten", default=""),
            str(fields.number("dialplan", "priority", default=1)),
        ),
    )


def parse_bridge(value: object) -> Bridge:
    """Parse a Bridge model.

    Raises:
        BadEventError: naming the field.

    """
    fields = Fields("Bridge", value)
    return Bridge(
        id=fields.text("id"), technology=fields.text("technology"), channels=fields.texts("channels")
    )


def is_of_no_interest(text: str) -> bool:
    """Return whether an event, as Asterisk writes it, is of a variable that says nothing: most are, and need not be read."""
    # In a string both would have backslashes. With `pretty = yes` in ari.conf there are spaces, and all events are read.
    return '"type":"ChannelVarset"' in text and not any(f'"variable":"{name}"' in text for name in _VARIABLES)


def _stasis_start(fields: Fields) -> Event:
    replaces = fields.ids("replace_channel")
    return StasisStart(
        channel=parse_channel(fields.get("channel")),
        args=fields.texts("args"),
        replaces=replaces[0] if replaces else None,
    )


def _hangup_requested(fields: Fields) -> Event:
    # A soft hang-up sends its flag in place of the cause, and -1 means none (channel.c, ast_softhangup).
    cause = 0 if fields.get("soft") is True else max(fields.number("cause", default=0), 0)
    return HangupRequested(channel=fields.text("channel", "id"), cause=cause)


def _dial(fields: Fields) -> Event | None:
    if to := fields.text("forward", default=""):
        context = fields.text("peer", "dialplan", "context", default="")
        number = fields.text("peer", "caller", "number", default="")
        return Diverted(channel=fields.text("peer", "id"), to=to, context=context, number=number)
    # With a caller it is what another application, or our module for CDRs, says of the same channel.
    if fields.get("caller") is not None:
        return None
    try:
        state = DialState(fields.text("dialstatus", default=""))
    except ValueError:
        return None
    at, created = fields.text("timestamp", default=""), fields.text("peer", "creationtime", default="")
    return DialChanged(channel=fields.text("peer", "id"), state=state, age=_seconds_between(created, at))


def _seconds_between(earlier: str, later: str) -> float | None:
    """Return the seconds between two times of Asterisk's (ISO 8601); None if one is not known."""
    try:
        return max((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _varset(fields: Fields) -> Event | None:
    name = fields.text("variable")
    if name not in _VARIABLES or fields.get("channel") is None:  # a global variable has no channel
        return None
    channel = fields.text("channel", "id")
    if name == _FEATURE_STATE:
        return FeatureChanged(channel=channel, feature=fields.text("value"))
    return BridgePeer(channel=channel)


def _transfer(fields: Fields) -> Event:
    return Transferred(
        bridges=fields.ids(
            "bridge", "bridge_from", "transferer_first_leg_bridge", "transferer_second_leg_bridge"
        ),
        channels=fields.ids(
            "channel", "transferee", "transfer_target", "transferer_first_leg", "transferer_second_leg"
        ),
    )


_PARSERS: Mapping[str, Callable[[Fields], Event | None]] = {
    "ApplicationReplaced": lambda _: AriReplaced(),
    "StasisStart": _stasis_start,
    "StasisEnd": lambda fields: StasisEnd(channel=fields.text("channel", "id")),
    "ChannelDestroyed": lambda fields: ChannelDestroyed(
        channel=fields.text("channel", "id"), cause=fields.number("cause")
    ),
    "ChannelHangupRequest": _hangup_requested,
    "Dial": _dial,
    "PlaybackFinished": lambda fields: PlaybackFinished(playback=fields.text("playback", "id")),
    "ChannelDtmfReceived": lambda fields: DigitReceived(
        channel=fields.text("channel", "id"), digit=fields.text("digit")
    ),
    "ChannelVarset": _varset,
    "ChannelHold": lambda fields: Held(channel=fields.text("channel", "id")),
    "ChannelUnhold": lambda fields: Unheld(channel=fields.text("channel", "id")),
    "ChannelEnteredBridge": lambda fields: EnteredBridge(
        bridge=fields.text("bridge", "id"), channel=fields.text("channel", "id")
    ),
    "ChannelLeftBridge": lambda fields: LeftBridge(
        bridge=fields.text("bridge", "id"), channel=fields.text("channel", "id")
    ),
    "BridgeBlindTransfer": _transfer,
    "BridgeAttendedTransfer": _transfer,
    "BridgeMerged": _transfer,
    "BridgeDestroyed": lambda fields: BridgeDestroyed(bridge=fields.text("bridge", "id")),
}

EVENT_TYPES = tuple(_PARSERS)
"""The types that `parse_event` parses: all that Asterisk needs to send."""
