"""Parses the arguments of Stasis() as Dial() would. An unsupported feature of Dial() is an error that names it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from stasis_offload.errors import OffloadError

_TIMEOUT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)


class DialArgumentError(OffloadError):
    """The arguments of Stasis() cannot be dialled; the text names the invalid one."""


@dataclass(frozen=True, slots=True)
class DialRequest:
    """A dialplan's request: targets as `TECH/resource`, seconds to answer (None: no limit), option g."""

    targets: tuple[str, ...]
    timeout: float | None = None
    go_on: bool = False


def parse_dial(args: Sequence[str]) -> DialRequest:
    """Parse `DIALSTRING[,TIMEOUT[,OPTIONS]]` as passed in StasisStart (app_dial.c, dial_exec_full).

    Raises:
        DialArgumentError: naming what is wrong.

    """
    if len(args) > 3:  # noqa: PLR2004 - the three arguments in the first line above
        raise DialArgumentError(
            f"three arguments at most are understood (no URL), not {len(args)}: {args[3]!r}"
        )
    dialstring, timeout, options = (*args, "", "", "")[:3]
    return DialRequest(
        targets=_parse_targets(dialstring), timeout=_parse_timeout(timeout), go_on=_parse_options(options)
    )


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


def _parse_options(text: str) -> bool:
    options = text.strip()
    if unknown := options.replace("g", ""):
        raise DialArgumentError(f"of Dial()'s options only g is supported, not {unknown!r}")
    return bool(options)
