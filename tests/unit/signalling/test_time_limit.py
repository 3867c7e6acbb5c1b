"""Option L of Dial(): the announcements and the end of a conversation."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.option_arguments import AnnouncedLimit
from stasis_offload.signalling.state import Dialing
from stasis_offload.signalling.time_limit import sounds_of

NOW = 100.0
ANSWERED = (ev.CalleeEnteredStasis(1), ev.CalleeBridged(1), ev.CalleeAnswered(1))
WARNED = AnnouncedLimit(60.0, 30.0, 10.0)
SILENT = AnnouncedLimit(60.0)
STARTED = (cmd.SetStatus(DialStatus.ANSWER), cmd.StartMedia(1))


def talking(limit: AnnouncedLimit, sounds: ev.LimitSoundsRead) -> tuple[Dialing, tuple[cmd.Command, ...]]:
    dialing = Dialing(DialRequest(("PJSIP/1",), options=DialOptions(announced_limit=limit)))
    commands: tuple[cmd.Command, ...] = ()
    for event in (ev.Started(), sounds, *ANSWERED):
        dialing, commands = step(dialing, event, NOW)
    return dialing, commands


def test_a_limit_without_announcements_is_kept_by_asterisk() -> None:
    dialing, commands = talking(SILENT, ev.LimitSoundsRead())
    assert commands == (opt.SetTimeLimit(1, 60.0), *STARTED)
    assert dialing.deadline is None


def test_the_media_returns_for_each_warning_and_goes_on_in_the_switch_after_it() -> None:
    dialing, commands = talking(WARNED, ev.LimitSoundsRead())
    assert commands == STARTED
    for due, left in ((130.0, 30), (140.0, 20), (150.0, 10)):
        assert dialing.deadline == due
        dialing, commands = step(dialing, ev.DialTimedOut(), due)
        said = ("sound:vm-youhave", f"number:{left}", "sound:queue-seconds")
        assert commands == (cmd.ReturnMedia(), opt.Play(0, said))
        dialing, commands = step(dialing, ev.Played(0), due + 2)
        assert commands == (cmd.StartMedia(1),)
    assert dialing.deadline == 160.0
    assert step(dialing, ev.DialTimedOut(), 160.0)[1] == (cmd.EndMedia(), cmd.Release(1, 16))


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            AnnouncedLimit(300.0, 125.0),
            ("number:2", "sound:queue-minutes", "number:5", "sound:queue-seconds"),
        ),
        (AnnouncedLimit(300.0, 120.0), ("number:2", "sound:queue-minutes")),
        (AnnouncedLimit(300.0, 119.0), ("number:119", "sound:queue-seconds")),
    ],
)
def test_the_time_that_is_left_is_said_as_asterisk_says_it(
    limit: AnnouncedLimit, said: tuple[str, ...]
) -> None:
    dialing, _ = talking(limit, ev.LimitSoundsRead())
    due = dialing.deadline or 0.0
    assert step(dialing, ev.DialTimedOut(), due)[1][-1] == opt.Play(0, ("sound:vm-youhave", *said))


def test_both_may_hear_files_at_the_beginning_and_the_end() -> None:
    sounds = ev.LimitSoundsRead(to_callee=True, connect="hello", end="bye")
    dialing, commands = talking(SILENT, sounds)
    assert commands == (
        STARTED[0],
        cmd.ReturnMedia(),
        opt.Play(0, ("sound:hello",)),
        opt.Play(1, ("sound:hello",)),
    )
    dialing, commands = step(dialing, ev.Played(1), 101.0)
    assert commands == ()
    dialing, commands = step(dialing, ev.Played(0), 101.0)
    assert commands == (cmd.StartMedia(1),)
    dialing, commands = step(dialing, ev.DialTimedOut(), 160.0)
    assert commands[1:] == (opt.Play(0, ("sound:bye",)), opt.Play(1, ("sound:bye",)))
    dialing, _ = step(dialing, ev.Played(0), 161.0)
    assert step(dialing, ev.Played(1), 161.0)[1] == (cmd.EndMedia(), cmd.Release(1, 16))


def test_the_limit_is_kept_even_while_a_warning_is_played() -> None:
    dialing, _ = talking(AnnouncedLimit(60.0, 1.0), ev.LimitSoundsRead())
    dialing, _ = step(dialing, ev.DialTimedOut(), 159.0)
    assert step(dialing, ev.DialTimedOut(), 160.0)[1] == (cmd.EndMedia(), cmd.Release(1, 16))


@pytest.mark.parametrize(
    ("caller", "callee", "to_caller", "to_callee"),
    [
        (None, None, True, False),
        ("no", None, True, False),  # somebody has to hear it
        ("no", "Yes", False, True),
        ("1", "on", True, True),
        ("", "true", False, True),
    ],
)
def test_who_hears_what_is_announced(
    caller: str | None, callee: str | None, *, to_caller: bool, to_callee: bool
) -> None:
    sounds = sounds_of((caller, callee, "begin", None, ""))
    assert sounds == ev.LimitSoundsRead(to_caller, to_callee, "begin", "timeleft", "")
