"""Another program changes a call in mid-call: Asterisk has it as long as that lasts, and the switch before and after."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lab import control
from lab.control import wait_until
from tests.support import ari_program
from tests.support.ari_program import Program
from tests.support.midcall import Call, assert_handed_over, offloaded_call

BOTH = ("caller", "callee")
# A conference bridge mixes by its own timer, which a busy machine slows: packets that it may make fewer of.
MIXED = {"caller": 10, "callee": 10}


@pytest.fixture
def other() -> Iterator[Program]:
    """Run the other program."""
    with ari_program.program("other") as program:
        yield program


@dataclass(frozen=True)
class Change:
    """Something done to a call, how it is undone, the reason that is shown meanwhile, and who still hears."""

    name: str
    begin: Callable[[Call], object]
    end: Callable[[Call], object]
    reason: str
    hears: tuple[str, ...] = BOTH


def cli(command: str) -> Callable[[Call], object]:
    return lambda call: control.asterisk("asterisk2", command.format(call=call))


def muted(direction: str) -> Change:
    return Change(
        f"mute {direction}",
        lambda call: ari_program.post("channels", call.caller, "mute", direction=direction),
        lambda call: ari_program.delete("channels", call.caller, "mute", direction=direction),
        "audio-hook:caller",
        hears={"in": ("caller",), "out": ("callee",), "both": ()}[direction],
    )


def talk_detect(action: str) -> Callable[[Call], object]:
    name = f"TALK_DETECT({action})"
    return lambda call: ari_program.post("channels", call.caller, "variable", variable=name, value="")


def spy(call: Call) -> None:
    """Call node 2 from outside and listen to the callee."""
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {call.callee_channel}")
    control.originate("spy@asterisk2")


def spy_no_more(call: Call) -> None:
    [channel] = set(control.channels("asterisk2")) - {call.caller_channel, call.callee_channel}
    control.asterisk("asterisk2", f"channel request hangup {channel}")


def join_third(call: Call) -> None:
    """Call a third endpoint, and put it into the bridge of the call."""
    ari_program.post("channels", endpoint="PJSIP/555@asterisk1", app=call.other.name, channelId="third")
    call.other.wait_for("StasisStart", channel="third")
    ari_program.post("bridges", call.bridge, "addChannel", channel="third")


CHANGES = [
    Change(
        "MixMonitor",
        cli("mixmonitor start {call.caller_channel} /tmp/mixed.wav"),
        cli("mixmonitor stop {call.caller_channel}"),
        "audio-hook:caller",
    ),
    Change("ChanSpy", spy, spy_no_more, "audio-hook:callee"),
    Change(
        "snoop",
        lambda call: ari_program.post(
            "channels", call.callee, "snoop", spy="both", app=call.other.name, snoopId="snooping"
        ),
        lambda _: ari_program.delete("channels", "snooping"),
        "audio-hook:callee",
    ),
    muted("in"),
    muted("out"),
    muted("both"),
    Change("TALK_DETECT", talk_detect("set"), talk_detect("remove"), "audio-hook:caller"),
    Change(
        "recording of the bridge",
        lambda call: ari_program.post(
            "bridges", call.bridge, "record", name="rec", format="wav", ifExists="overwrite"
        ),
        lambda _: ari_program.post("recordings", "live", "rec", "stop"),
        "not-two-parties",
    ),
    Change(
        "playback to the bridge",
        lambda call: ari_program.post(
            "bridges", call.bridge, "play", media="tone:1004/1000", playbackId="tone"
        ),
        lambda _: ari_program.delete("playbacks", "tone"),
        "not-two-parties",
    ),
    Change(
        "music to the bridge",
        lambda call: ari_program.post("bridges", call.bridge, "moh"),
        lambda call: ari_program.delete("bridges", call.bridge, "moh"),
        "not-two-parties",
    ),
    Change(
        "third party taken out",
        join_third,
        lambda call: ari_program.post("bridges", call.bridge, "removeChannel", channel="third"),
        "not-two-parties",
    ),
    Change(
        "third party hung up",
        join_third,
        lambda _: ari_program.delete("channels", "third"),
        "not-two-parties",
    ),
    Change(
        "callee taken out",
        lambda call: ari_program.post("bridges", call.bridge, "removeChannel", channel=call.callee),
        lambda call: ari_program.post("bridges", call.bridge, "addChannel", channel=call.callee),
        "unreported:callee",
        hears=(),
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=[change.name for change in CHANGES])
def test_a_change_by_another_program_moves_the_call_to_asterisk_and_its_end_moves_it_back(
    other: Program, change: Change
) -> None:
    with offloaded_call(other) as call:
        call.change(change.begin, reason=change.reason)
        call.undo(change.end)
        for channel in set(control.channels("asterisk2")) - {call.caller_channel, call.callee_channel}:
            control.asterisk("asterisk2", f"channel request hangup {channel}")
    mixed = MIXED if change.reason == "not-two-parties" else None
    assert_handed_over(call, hears=change.hears, swallowed=mixed)


def test_a_call_whose_bridge_another_program_destroyed_comes_back_with_a_new_one(other: Program) -> None:
    with offloaded_call(other) as call:
        call.change(lambda call: ari_program.delete("bridges", call.bridge), reason="unreported:caller")

        def make_again(call: Call) -> None:
            ari_program.post("bridges", bridgeId=call.bridge, type="mixing")
            for channel in (call.caller, call.callee):
                ari_program.post("bridges", call.bridge, "addChannel", channel=channel)

        call.undo(make_again)
    assert_handed_over(call, hears=())


def test_a_call_whose_bridge_another_program_destroyed_ends_as_a_whole_when_one_party_hangs_up(
    other: Program,
) -> None:
    with offloaded_call(other) as call:
        call.change(lambda call: ari_program.delete("bridges", call.bridge), reason="unreported:caller")
        [leg, _] = control.channels("asterisk1")
        control.asterisk("asterisk1", f"channel request hangup {leg}")
        wait_until(lambda: not control.channels("asterisk1"), within=10, what="both parties to be released")
        call.back = call.seen


def test_a_recording_of_a_bridged_channel_is_refused_by_asterisk_and_the_switch_keeps_the_call(
    other: Program,
) -> None:
    with ari_program.program("listener", hears_all=True) as listener, offloaded_call(other) as call:
        ari_program.post("channels", call.caller, "record", name="none", format="wav", ifExists="overwrite")
        listener.wait_for("RecordingFailed")
        before = control.calls()[0]["state_age"]
        wait_until(
            lambda: control.calls()[0]["state_age"] > before + 0.5, within=10, what="the call to go on"
        )
        assert control.calls()[0]["state"] == "offloaded"
    for ear in call.ears.values():
        assert (ear.far_end.lost, ear.far_end.duplicated, ear.far_end.reordered) == (0, 0, 0)
