"""ARI messages as Asterisk 22 sends them, and anything else that may come out of the websocket."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.asterisk.ari_events import (
    AriReplaced,
    AriUp,
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
    HangupRequested,
    Held,
    LeftBridge,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    Transferred,
    Unheld,
)
from stasis_offload.asterisk.ari_fields import BadEventError
from stasis_offload.asterisk.ari_messages import (
    EVENT_TYPES,
    is_of_no_interest,
    parse_bridge,
    parse_channel,
    parse_event,
)
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.ari_mapping import event_from_ari

CALLER_ID = "1795557419.1"
CALLEE_ID = "offload-1795557419.1-2"


def channel(id_: str = CALLER_ID) -> dict[str, Any]:
    """Give a channel as Asterisk 22.10.1 sends it."""
    return {
        "id": id_,
        "name": "PJSIP/loop-00000001",
        "state": "Ring",
        "protocol_id": "9b8c7e2a",
        "caller": {"name": "Alice", "number": "1234"},
        "connected": {"name": "", "number": ""},
        "accountcode": "",
        "dialplan": {
            "context": "in",
            "exten": "enter",
            "priority": 4,
            "app_name": "Stasis",
            "app_data": "offload,PJSIP/180@loop,30",
        },
        "creationtime": "2026-11-24T21:56:59.123+0000",
        "language": "en",
    }


def bridge(id_: str = "offload-1795557419.1") -> dict[str, Any]:
    """Give a bridge as Asterisk 22.10.1 sends it."""
    return {
        "id": id_,
        "technology": "native_rtp",
        "bridge_type": "mixing",
        "bridge_class": "stasis",
        "creator": "Stasis",
        "name": "",
        "channels": [CALLER_ID, CALLEE_ID],
        "video_mode": "none",
    }


A_CHANNEL = Channel(
    id=CALLER_ID,
    name="PJSIP/loop-00000001",
    state="Ring",
    caller="1234",
    connected="",
    application="Stasis",
    arguments="offload,PJSIP/180@loop,30",
    place=("in", "enter", "4"),
)

MESSAGES: list[tuple[dict[str, Any], Event | None]] = [
    ({"type": "ApplicationReplaced", "application": "offload"}, AriReplaced()),
    (
        {"type": "StasisStart", "args": ["PJSIP/1", "30"], "channel": channel()},
        StasisStart(A_CHANNEL, ("PJSIP/1", "30"), None),
    ),
    (
        {"type": "StasisStart", "args": [], "channel": channel(), "replace_channel": channel("old")},
        StasisStart(A_CHANNEL, (), "old"),
    ),
    ({"type": "StasisEnd", "channel": channel()}, StasisEnd(CALLER_ID)),
    (
        {"type": "ChannelDestroyed", "cause": 17, "cause_txt": "User busy", "channel": channel()},
        ChannelDestroyed(CALLER_ID, 17),
    ),
    ({"type": "ChannelHangupRequest", "cause": 127, "channel": channel()}, HangupRequested(CALLER_ID, 127)),
    (
        {"type": "ChannelHangupRequest", "cause": 32, "soft": True, "channel": channel()},
        HangupRequested(CALLER_ID, 0),
    ),
    ({"type": "ChannelHangupRequest", "cause": -1, "channel": channel()}, HangupRequested(CALLER_ID, 0)),
    ({"type": "ChannelHangupRequest", "channel": channel()}, HangupRequested(CALLER_ID, 0)),
    (
        {"type": "Dial", "peer": channel(CALLEE_ID), "dialstatus": "RINGING"},
        DialChanged(CALLEE_ID, DialState.RINGING),
    ),
    (
        {"type": "Dial", "peer": channel(CALLEE_ID), "dialstatus": "BUSY"},
        DialChanged(CALLEE_ID, DialState.BUSY),
    ),
    (
        {
            "type": "Dial",
            "timestamp": "2026-11-24T22:57:01.373+0100",
            "peer": channel(CALLEE_ID),
            "dialstatus": "PROGRESS",
        },
        DialChanged(CALLEE_ID, DialState.PROGRESS, 2.25),
    ),
    # As app_dial.c publishes it, and our module.
    ({"type": "Dial", "caller": channel(), "peer": channel(CALLEE_ID), "dialstatus": "ANSWER"}, None),
    ({"type": "Dial", "peer": channel(CALLEE_ID), "dialstatus": "", "dialstring": "180@loop"}, None),
    (
        {
            "type": "Dial",
            "peer": channel(CALLEE_ID) | {"dialplan": {"context": "phones"}, "caller": {"number": "555"}},
            "dialstatus": "CANCEL",
            "forward": "700",
        },
        Diverted(CALLEE_ID, "700", "phones", "555"),
    ),
    ({"type": "Dial", "peer": channel(CALLEE_ID), "dialstatus": "PROCEEDING"}, None),
    (
        {"type": "ChannelVarset", "variable": "BRIDGEPEER", "value": "PJSIP/x", "channel": channel()},
        BridgePeer(CALLER_ID),
    ),
    ({"type": "ChannelVarset", "variable": "RTPAUDIOQOS", "value": "", "channel": channel()}, None),
    ({"type": "ChannelVarset", "variable": "BRIDGEPEER", "value": "of nobody"}, None),
    ({"type": "ChannelHold", "channel": channel(), "musicclass": "default"}, Held(CALLER_ID)),
    ({"type": "ChannelUnhold", "channel": channel()}, Unheld(CALLER_ID)),
    (
        {"type": "ChannelDtmfReceived", "channel": channel(), "digit": "1", "duration_ms": 100},
        DigitReceived(CALLER_ID, "1"),
    ),
    (
        {"type": "PlaybackFinished", "playback": {"id": "p", "target_uri": "channel:1", "state": "done"}},
        PlaybackFinished("p"),
    ),
    (
        {"type": "ChannelEnteredBridge", "bridge": bridge("b"), "channel": channel()},
        EnteredBridge("b", CALLER_ID),
    ),
    ({"type": "ChannelLeftBridge", "bridge": bridge("b"), "channel": channel()}, LeftBridge("b", CALLER_ID)),
    ({"type": "BridgeDestroyed", "bridge": bridge("b")}, BridgeDestroyed("b")),
    (
        {
            "type": "BridgeBlindTransfer",
            "channel": channel("a"),
            "transferee": channel("b"),
            "bridge": bridge("c"),
        },
        Transferred(("c",), ("a", "b")),
    ),
    (
        {"type": "BridgeMerged", "bridge": bridge("c"), "bridge_from": bridge("d")},
        Transferred(("c", "d"), ()),
    ),
    ({"type": "ChannelCreated", "channel": channel()}, None),
]


@pytest.mark.parametrize(("message", "event"), MESSAGES)
def test_a_message_becomes_the_event_it_is(message: dict[str, Any], event: Event | None) -> None:
    assert parse_event(message) == event


def test_every_type_that_asterisk_is_asked_for_is_covered_here() -> None:
    assert set(EVENT_TYPES) - {"BridgeAttendedTransfer"} <= {message["type"] for message, _ in MESSAGES}


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ([], "not an object with a type"),
        ({"type": 5}, "not an object with a type"),
        ({"type": "StasisEnd"}, "StasisEnd of ARI: channel.id is not text"),
        (
            {"type": "StasisStart", "channel": channel(), "args": [1]},
            "StasisStart of ARI: args is not a list of texts",
        ),
        ({"type": "StasisStart", "channel": {"id": "1"}, "args": []}, "Channel of ARI: name is not text"),
        ({"type": "ChannelDestroyed", "channel": channel(), "cause": True}, "cause is not a whole number"),
        ({"type": "Dial", "peer": {"id": 7}, "dialstatus": "ANSWER"}, "Dial of ARI: peer.id is not text"),
    ],
)
def test_a_message_that_lacks_what_it_must_have_is_refused_by_name(message: object, fault: str) -> None:
    with pytest.raises(BadEventError) as refusal:
        parse_event(message)
    assert fault in str(refusal.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def damaged_messages(draw: st.DrawFn) -> dict[str, Any]:
    """Give a message of which one field, however deep, is missing or something else."""
    message: dict[str, Any] = deepcopy(draw(st.sampled_from(MESSAGES))[0])
    inside, key = message, draw(st.sampled_from(sorted(message)))
    while isinstance(inside[key], dict) and draw(st.booleans()):
        inside = inside[key]
        key = draw(st.sampled_from(sorted(inside)))
    if draw(st.booleans()):
        inside[key] = draw(json_values)
    else:
        del inside[key]
    return message


@given(json_values | damaged_messages())
def test_any_json_is_an_event_or_nothing_or_a_named_error(message: object) -> None:
    for parse in (parse_event, parse_channel, parse_bridge):
        with suppress(BadEventError):
            parse(message)


def test_a_channel_without_parties_or_dialplan_is_still_a_channel() -> None:
    bare = parse_channel({"id": "1", "name": "Local/1", "state": "Down"})
    assert bare == Channel(
        id="1", name="Local/1", state="Down", caller="", connected="", application="", arguments=""
    )


def test_a_bridge_names_its_channels() -> None:
    assert parse_bridge(bridge()) == Bridge("offload-1795557419.1", "native_rtp", (CALLER_ID, CALLEE_ID))


@pytest.mark.parametrize(
    ("leg", "event", "meaning"),
    [
        (0, StasisStart(A_CHANNEL, (), None), None),
        (0, StasisEnd(CALLER_ID), ev.CallerLeft(0)),
        (0, HangupRequested(CALLER_ID, 127), ev.CallerHangingUp(127)),
        (0, ChannelDestroyed(CALLER_ID, 16), ev.CallerLeft(16)),
        (0, DialChanged(CALLER_ID, DialState.ANSWER), None),
        (2, StasisStart(parse_channel(channel(CALLEE_ID)), (), None), ev.CalleeEnteredStasis(2)),
        (2, StasisEnd(CALLEE_ID), ev.CalleeLeftStasis(2)),
        (2, HangupRequested(CALLEE_ID, 17), ev.CalleeHangingUp(2)),
        (2, ChannelDestroyed(CALLEE_ID, 17), ev.CalleeDestroyed(2, 17)),
        (2, DialChanged(CALLEE_ID, DialState.RINGING), ev.CalleeRinging(2)),
        (2, DialChanged(CALLEE_ID, DialState.PROGRESS), ev.CalleeProgress(2)),
        (2, DialChanged(CALLEE_ID, DialState.ANSWER), ev.CalleeAnswered(2)),
        (2, DialChanged(CALLEE_ID, DialState.BUSY), ev.CalleeRejected(2, 17)),
        (2, DialChanged(CALLEE_ID, DialState.CONGESTION), ev.CalleeRejected(2, 34)),
        (2, BridgePeer(CALLEE_ID), None),
        (2, AriUp("22.10.1"), None),
    ],
)
def test_an_event_about_a_channel_is_one_about_the_leg_that_it_is(
    leg: int, event: Event, meaning: ev.Event | None
) -> None:
    assert event_from_ari(event, leg) == meaning


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("BRIDGEPEER", "PJSIP/b-1", False), ("DIALSTATUS", '"variable":"BRIDGEPEER"', True)],
)
def test_of_variables_bridgepeer_alone_is_read(variable: str, value: str, *, expected: bool) -> None:
    event = {"variable": variable, "value": value, "type": "ChannelVarset", "channel": {"id": "1.2"}}
    assert is_of_no_interest(json.dumps(event, separators=(",", ":"))) is expected
    assert (parse_event(event) is None) is expected
    assert not is_of_no_interest(json.dumps(event, indent=2))


def test_an_event_that_quotes_another_is_read() -> None:
    quoted = json.dumps({"type": "ChannelVarset"}, separators=(",", ":"))
    event = {"type": "StasisStart", "args": [quoted]}
    assert not is_of_no_interest(json.dumps(event, separators=(",", ":")))
