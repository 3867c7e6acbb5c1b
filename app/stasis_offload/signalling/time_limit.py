"""The time limit of a conversation (main/features.c, ast_bridge_timelimit; bridge_builtin_interval_features.c).

One that is silent is Asterisk's to keep. One with announcements is kept here: the media is with Asterisk while it speaks.
"""

from collections.abc import Sequence
from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.state import Dialing, Step

TIME_LEFT = "timeleft"
# Variables of the caller's channel: who hears what is announced, and the files.
SOUND_VARIABLES = tuple(
    f"LIMIT_{name}"
    for name in ("PLAYAUDIO_CALLER", "PLAYAUDIO_CALLEE", "CONNECT_FILE", "WARNING_FILE", "TIMEOUT_FILE")
)
# What Asterisk takes for true (main/utils.c, ast_true).
_TRUE = {"yes", "true", "y", "t", "1", "on"}


def sounds_of(values: Sequence[str | None]) -> ev.LimitSoundsRead:
    """Return the announcements by the values of SOUND_VARIABLES, None for one that is not set.

    The caller hears them unless its variable says no, and does if the callee would not either.
    """
    to_caller, to_callee, connect, warning, end = values
    callee_hears = (to_callee or "").lower() in _TRUE
    return ev.LimitSoundsRead(
        to_caller=to_caller is None or to_caller.lower() in _TRUE or not callee_hears,
        to_callee=callee_hears,
        connect=connect or "",
        warning=warning or TIME_LEFT,
        end=end or "",
    )


def silent(dialing: Dialing) -> float | None:
    """Return the limit (s) that Asterisk keeps; None if there is none, or announcements go with it."""
    options, limit = dialing.request.options, dialing.request.options.announced_limit
    if limit is None:
        return options.time_limit
    announces = limit.warning or dialing.limit_sounds.connect or dialing.limit_sounds.end
    return None if announces else limit.seconds


def begin(dialing: Dialing, now: float) -> Step:
    """Begin the conversation's limit, if it is kept here, with the announcement for its beginning."""
    limit = dialing.request.options.announced_limit
    if limit is None or silent(dialing) is not None:
        return dialing, ()
    ends = now + limit.seconds
    limited = replace(dialing, ends=ends, warns=ends - limit.warning if limit.warning else None)
    return _announce(_schedule(limited), dialing.limit_sounds.connect, now)


def on_deadline(dialing: Dialing, now: float) -> Step:
    """Warn, or end the call after the announcement for that."""
    limit = dialing.request.options.announced_limit
    assert limit is not None  # noqa: S101 - `begin` set the deadline
    assert dialing.ends is not None  # noqa: S101 - as before
    if now >= dialing.ends:
        ending = replace(dialing, deadline=None, warns=None)
        announced, commands = _announce(ending, dialing.limit_sounds.end, now)
        return (announced, commands) if commands else _end(ending)
    following = now + limit.repeat if limit.repeat else None
    return _announce(_schedule(replace(dialing, warns=following)), dialing.limit_sounds.warning, now)


def on_played(dialing: Dialing, leg: int) -> Step:
    """Give the media back after the last announcement, or end the call."""
    after = replace(dialing, hearing=dialing.hearing - {leg})
    if after.hearing:
        return after, ()
    if after.deadline is None:
        return _end(after)
    return after, (cmd.StartMedia(after.winner or 0),)


def _schedule(dialing: Dialing) -> Dialing:
    due = [at for at in (dialing.ends, dialing.warns) if at is not None]
    return replace(dialing, deadline=min(due))


def _announce(dialing: Dialing, file: str, now: float) -> Step:
    sounds = dialing.limit_sounds
    media = _time_left((dialing.ends or now) - now) if file == TIME_LEFT else (f"sound:{file}",)
    wanted = ((CALLER, sounds.to_caller), (dialing.winner or 0, sounds.to_callee))
    legs = frozenset(leg for leg, hears in wanted if hears) if file and media else frozenset[int]()
    if not legs or dialing.hearing:
        return dialing, ()
    plays = (opt.Play(leg, media) for leg in sorted(legs))
    return replace(dialing, hearing=legs), (cmd.ReturnMedia(), *plays)


def _time_left(seconds: float) -> tuple[str, ...]:
    """Return what says the time that is left, as Asterisk does: whole seconds, and minutes from two on."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 2:  # noqa: PLR2004 - limits_interval_playback
        minutes, rest = 0, int(seconds)
    said = (*_count(minutes, "queue-minutes"), *_count(rest, "queue-seconds"))
    return ("sound:vm-youhave", *said) if said else ()


def _count(number: int, unit: str) -> tuple[str, ...]:
    return (f"number:{number}", f"sound:{unit}") if number else ()


def _end(dialing: Dialing) -> Step:
    return dialing, (cmd.Release(dialing.winner or 0, Cause.NORMAL_CLEARING),)
