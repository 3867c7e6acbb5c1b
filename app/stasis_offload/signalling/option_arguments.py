"""The arguments of Dial()'s options, parsed as Asterisk parses them."""

from collections.abc import Sequence
from dataclasses import dataclass

from stasis_offload.errors import OffloadError
from stasis_offload.signalling.causes import CAUSE_NAMES, Cause

# Q.850 codes a cause in seven bits.
MAX_CAUSE = 127
# What ast_dtmf_stream sends (main/app.c): digits, pauses of 0.5 and 1 s, hook flashes.
DIGITS = frozenset("0123456789*#abcdABCDwWfF")

Place = tuple[str, str, str]
"""A place in the dialplan: context, extension, and priority or label."""

SOMEWHERE: Place = ("context", "exten", "1")
"""Where Dial() is, if that does not matter."""


@dataclass(frozen=True, slots=True)
class AnnouncedLimit:
    """A time limit (option L), in seconds: the first warning so long before the end, then each `repeat`; 0: none."""

    seconds: float
    warning: float = 0.0
    repeat: float = 0.0


class DialArgumentError(OffloadError):
    """The arguments of Stasis() cannot be dialled; the text names the invalid one."""


def left_to_dial(letter: str, reason: str) -> DialArgumentError:
    """Return the error for an option that Dial() itself has to carry out."""
    return DialArgumentError(f"option {letter!r} is left to Dial(): {reason}")


def split_options(text: str) -> dict[str, str]:
    r"""Return the argument of each option by its letter, empty if it has none (main/app.c, parse_options).

    An argument ends at its own parenthesis: those in it are counted, but not if escaped by `\` or in quotes that begin
    the argument. The last of several options of a letter counts.

    Raises:
        DialArgumentError: an argument does not end.

    """
    arguments: dict[str, str] = {}
    at = 0
    while at < len(text):
        letter = text[at]
        at += 1
        arguments[letter] = ""
        if text[at : at + 1] == "(":
            arguments[letter], at = _argument(text, at + 1, letter)
    return arguments


def _argument(text: str, at: int, letter: str) -> tuple[str, int]:
    """Return the argument that begins at a position, and the position after its closing parenthesis."""
    quotes = text[at : at + 1] == '"'
    quoted, depth, argument = False, 1, ""
    while at < len(text):
        character, following = text[at], text[at + 1 : at + 2]
        at += 1
        if character == '"' and quotes:
            quoted = not quoted
        elif character == "\\" and (not quoted or following == '"'):
            argument += following
            at += 1
        elif character == "\\":
            argument += character + following
            at += 1
        else:
            if not quoted:
                depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0:
                return argument, at
            argument += character
    raise DialArgumentError(f"the argument of option {letter!r} has no end")


def parse_cause(text: str) -> int:
    """Return a Q.850 cause given by its number or name (option Q)."""
    cause = CAUSE_NAMES.get(text.upper())
    if cause is not None:
        return cause
    if text.upper() == "NONE" or (text.strip("0") == "" and text):
        raise left_to_dial("Q", "ARI hangs up with a cause always.")
    if text.isascii() and text.isdecimal() and int(text) <= MAX_CAUSE:
        return int(text)
    if text:
        raise DialArgumentError(f"option 'Q' has no hang-up cause: {text!r}")
    return Cause.ANSWERED_ELSEWHERE


def parse_seconds(text: str) -> float | None:
    """Return a time limit in seconds (option S); None for an empty text."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise DialArgumentError(f"option 'S' is not a whole number of seconds: {text!r}")
    return float(text)


def parse_limit(text: str) -> AnnouncedLimit | None:
    """Return the limit of `LIMIT[:WARNING[:REPEAT]]`, in ms (main/features.c, ast_bridge_timelimit); None for no text.

    A first warning before the beginning is moved by whole repeats into the call, or left out.
    """
    if not text:
        return None
    parts = [part or "0" for part in text.split(":")]
    if not all(part.isascii() and part.isdecimal() for part in parts) or not int(parts[0]):
        raise DialArgumentError(f"option 'L' is not LIMIT[:WARNING[:REPEAT]] in ms: {text!r}")
    limit, warning, repeat = (*map(int, parts), 0, 0)[:3]
    if warning > limit:
        warning -= repeat * (1 + (warning - limit - 1) // repeat) if repeat else warning
        if warning < 1:
            warning = repeat = 0
    return AnnouncedLimit(limit / 1000, warning / 1000, repeat / 1000)


def parse_digits(text: str) -> tuple[str, str]:
    """Return the digits for the callee and for the caller (option D)."""
    called, calling, *others = (*text.split(":"), "")[: max(text.count(":") + 1, 2)]
    if any(others):
        raise left_to_dial("D", "digits at the callee's early media, MF and SF cannot be sent over ARI.")
    for digits in (called, calling):
        if not DIGITS.issuperset(digits):
            raise DialArgumentError(f"option 'D' has something else than digits: {digits!r}")
    return called, calling


def parse_files(text: str) -> tuple[str, str]:
    """Return the announcements for the callee and for the caller (option A)."""
    called, _, calling = text.partition(":")
    return called, calling


def parse_place(letter: str, text: str, here: Place) -> Place | None:
    """Return a place, given by `[[context^]exten^]priority` and where Dial() is; None for an empty text."""
    if not text:
        return None
    context, exten, priority, *more = (*in_full(text, here), *text.split("^")[3:])
    if more or not (context and exten and priority):
        raise DialArgumentError(f"option {letter!r} has no place [[CONTEXT^]EXTEN^]PRIORITY: {text!r}")
    if priority[0] in "+-" and priority[1:].isdecimal():
        priority = str(int(here[2]) + int(priority))
    return context, exten, priority


def in_full(place: str, here: Sequence[str]) -> tuple[str, ...]:
    """Complete `[[context^]exten^]priority` by where a channel is: context, extension, priority."""
    given = place.split("^")
    return (*here[: -len(given)], *given)[:3]


def next_place(here: Place) -> Place:
    """Return where the dialplan goes on after a place."""
    context, exten, priority = here
    return context, exten, str(int(priority) + 1)


def parse_numbered_place(letter: str, text: str, here: Place) -> Place | None:
    """Return a place as `parse_place` does, whose priority is a number."""
    place = parse_place(letter, text, here)
    if place and not (place[2].isascii() and place[2].isdecimal()):
        raise left_to_dial(letter, f"the priority after {place[2]!r} is known to Asterisk alone.")
    return place


def parse_sub(letter: str, text: str, here: Place) -> str | None:
    """Return Gosub()'s argument for `[[CONTEXT^]EXTEN^]PRIORITY[(ARG^...)]` (options b and B); None for an empty text."""
    if not text:
        return None
    location, bracket, arguments = text.partition("(")
    place = parse_place(letter, location, here)
    if place is None:
        raise DialArgumentError(f"option {letter!r} names no subroutine: {text!r}")
    return ",".join(place) + bracket + arguments.replace("^", ",")


def parse_answer_sub(text: str) -> str | None:
    """Return Gosub()'s argument for `CONTEXT[^ARG...]` (option U); None for an empty text."""
    if not text:
        return None
    context, _, arguments = text.partition("^")
    return f"{context},s,1" + (f"({arguments.replace('^', ',')})" if arguments else "")
