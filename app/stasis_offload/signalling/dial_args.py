"""Parses the arguments of Stasis() as Dial() would. An unsupported feature of Dial() is an error that names it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from stasis_offload.signalling.dial_options import NO_OPTIONS, DialOptions, parse_options
from stasis_offload.signalling.option_arguments import SOMEWHERE, DialArgumentError, Place

_TIMEOUT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
_QUOTING = re.compile(r'\\(.?)|"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class DialRequest:
    """A dialplan's request: targets as `TECH/resource`, seconds to answer (None: no limit), options."""

    targets: tuple[str, ...]
    timeout: float | None = None
    options: DialOptions = NO_OPTIONS


def parse_dial(args: Sequence[str], here: Place = SOMEWHERE) -> DialRequest:
    """Parse `DIALSTRING[,TIMEOUT[,OPTIONS]]` as passed in StasisStart (app_dial.c, dial_exec_full) by a channel that is `here`.

    Raises:
        DialArgumentError: naming what is wrong.

    """
    if len(args) > 3:  # noqa: PLR2004 - the three arguments in the first line above
        raise DialArgumentError(
            f"three arguments at most are understood (no URL), not {len(args)}: {args[3]!r}"
        )
    dialstring, timeout, options = (*args, "", "", "")[:3]
    return DialRequest(
        targets=_parse_targets(dialstring),
        timeout=_parse_timeout(timeout),
        options=parse_options(options, here),
    )


def spans(text: str, delimiter: str = ",", most: int | None = None) -> list[tuple[int, int]]:
    """Return start and end of the arguments in a text, at `most` so many, the last with all that is left.

    Parentheses, brackets, quotes and backslashes protect a delimiter (main/app.c, __ast_app_separate_args).
    """
    found: list[tuple[int, int]] = []
    start = parentheses = brackets = 0
    quoted = False
    at = 0
    while at < len(text) and (most is None or len(found) < most - 1):
        match text[at]:
            case "(":
                parentheses += 1
            case ")":
                parentheses = max(parentheses - 1, 0)
            case "[":
                brackets += 1
            case "]":
                brackets = max(brackets - 1, 0)
            case '"':
                quoted = not quoted
            case "\\":
                at += 1
            case char if char == delimiter and not (parentheses or brackets or quoted):
                found.append((start, at))
                start = at + 1
        at += 1
    return [*found, (start, len(text))]


def split_arguments(text: str) -> list[str]:
    r"""Split the arguments of an application at commas; quotes, and a `\` before any character, are removed."""
    return [_QUOTING.sub(r"\1", text[start:end]) for start, end in spans(text)]


def _parse_targets(dialstring: str) -> tuple[str, ...]:
    # Dial() skips empty positions between two `&` and strips blanks.
    targets = tuple(target for part in dialstring.split("&") if (target := part.strip()))
    if not targets:
        raise DialArgumentError("there is no target to dial")
    for target in targets:
        technology, _, resource = target.partition("/")
        if not technology or not resource:
            raise DialArgumentError(f"a target is TECHNOLOGY/resource, not {target!r}")
    return targets


def _parse_timeout(text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    if "^" in text:
        raise DialArgumentError(f"a timeout for early media is not supported: {text!r}")
    # Dial() treats anything but a number as no limit; here a typing error is reported.
    if not _TIMEOUT.fullmatch(text) or not math.isfinite(seconds := float(text)):
        raise DialArgumentError(f"the timeout is not a number of seconds: {text!r}")
    return seconds if seconds > 0 else None
