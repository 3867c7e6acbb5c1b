"""An attended transfer by digits: Asterisk has the call from then on, as in a bridge of Dial(), beside which it is played."""

import re
from collections.abc import Callable

import pytest

from lab import control
from lab.control import wait_until
from tests.support.featured import PORTS, Scene, play, rows
from tests.support.observed import Cdrs
from tests.support.party import ALICE, BOB, CAROL, assert_talk, relayed_more

ATTENDED = "*2"
OTHER = {"alice": "bob", "bob": "alice"}
# What a row says but for times.
ROW = ("channel", "dstchannel", "dst", "lastapp", "lastdata", "disposition")


def assert_like_dial(
    options: str, action: Callable[[Scene], None], numbers: tuple[str, str] = ("ours", "plain")
) -> tuple[Scene, Scene]:
    """Play a scene in both kinds of call; the phones are told the same, and the CDRs say the same."""
    noted: list[set[tuple[str, ...]]] = []

    def noting(scene: Scene) -> None:
        cdrs = Cdrs()
        action(scene)
        wait_until(lambda: not left(), within=10, what="every channel and bridge to end")
        # Asterisk begins a new row with the bridge that the parties are moved to: the same one once more.
        # One more or less is there of a party alone, for a moment, also with Dial(): as a Local channel is joined, or not yet.
        paired = (row for row in cdrs.all() if row["dstchannel"])
        noted.append({tuple(without_numbers(row[name]) for name in ROW) for row in paired})

    ours, dial = (play(options, noting, number) for number in numbers)
    assert ours.told == dial.told
    assert noted[0] == noted[1]
    assert ours.outcome == dial.outcome
    return ours, dial


def without_numbers(text: str) -> str:
    """Leave out the numbers of channels, and what differs between a call of ours and one of Dial() (docs/dial.md)."""
    text = re.sub(r"\b(on-)?(ours|plain)\b", "number", re.sub(r"-[0-9a-f]{8}\b", "", text))
    text = text.replace("dial-target", "target").replace("71", "70")
    return {"Stasis": "AppDial", "offload": "(Outgoing Line)"}.get(text, text)


def left() -> list[str]:
    """List the channels of node 2, the CDRs that are not written, and the bridges but those of parking lots."""
    rows_to_come = [
        row for row in control.asterisk("asterisk2", "cdr show active").splitlines() if "/" in row
    ]
    bridges = control.asterisk("asterisk2", "bridge show all").splitlines()[1:]
    open_bridges = (line for line in bridges if "holding_bridge" not in line)
    return [*control.channels("asterisk2"), *rows_to_come, *open_bridges]


def hears_music() -> bool:
    """Return whether Asterisk plays music to a party."""
    return any(row["generator"] for row in rows())


def consult(scene: Scene, by: str, number: str = "71") -> None:
    """Have a party press the code, and dial Carol's number."""
    scene.press(by, ATTENDED)
    wait_until(hears_music, within=5, what="music on hold")
    wait_until(lambda: not control.calls(), within=5, what="the application to have let the call go")
    scene.press(by, f"{number}#")
    scene.carol.invited()


def talk_on() -> None:
    """Wait until Asterisk relays what all say for a while, and nobody hears music."""
    wait_until(lambda: not hears_music(), within=10, what="the end of the music")
    relayed_more(100)


@pytest.mark.parametrize(
    ("by", "option", "number"), [("alice", "t", "70"), ("bob", "T", "71")], ids=["callee", "caller"]
)
def test_after_a_party_has_transferred_the_other_to_whom_it_called_those_two_talk(
    by: str, option: str, number: str
) -> None:
    def action(scene: Scene) -> None:
        consult(scene, by, number if scene.switched else "71")
        scene.party.answer_invited(scene.carol, CAROL)
        relayed_more(60)
        scene.phone(by).hang_up()
        talk_on()
        scene.carol.hang_up()
        scene.phone(OTHER[by]).ended()

    ours, dial = assert_like_dial(option, action)
    for scene in (ours, dial):
        assert_talk(scene.party.capture, PORTS[OTHER[by]], CAROL, by_switch=False)


def test_a_caller_comes_back_from_whom_it_called_and_goes_on_in_the_dialplan_at_the_end() -> None:
    went_on = []

    def action(scene: Scene) -> None:
        control.asterisk("asterisk2", "dialplan set global LAB_WENT_ON no")
        consult(scene, "bob")
        scene.party.answer_invited(scene.carol, CAROL)
        relayed_more(60)
        scene.carol.hang_up()
        talk_on()
        scene.alice.hang_up()
        scene.bob.ended()
        went_on.append(
            control.asterisk("asterisk2", "dialplan show globals").split("LAB_WENT_ON=")[1].split()[0]
        )

    ours, dial = assert_like_dial("Tg", action, ("on-ours", "on-plain"))
    assert went_on == ["ANSWER", "ANSWER"]
    for scene in (ours, dial):
        assert_talk(scene.party.capture, BOB, ALICE, by_switch=False)


def test_a_callee_whose_call_asterisk_relays_comes_back_from_whom_it_does_not_reach() -> None:
    def action(scene: Scene) -> None:
        if scene.switched:
            control.offload("relay", "--all")
            wait_until(lambda: any(row["dtmf_hooks"] for row in rows()), within=5, what="Asterisk to follow")
        consult(scene, "alice")
        scene.carol.refuse()
        talk_on()
        scene.bob.hang_up()
        scene.alice.ended()

    try:
        ours, dial = assert_like_dial("t", action)
    finally:
        control.lift_blocks()
    for scene in (ours, dial):
        assert_talk(scene.party.capture, BOB, ALICE, by_switch=False)


def test_whoever_hangs_up_while_the_other_dials_ends_the_call() -> None:
    def action(scene: Scene) -> None:
        scene.press("alice", ATTENDED)
        wait_until(hears_music, within=5, what="music on hold")
        scene.bob.hang_up()
        scene.alice.ended()

    assert_like_dial("t", action)
