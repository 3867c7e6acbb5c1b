"""The options of Dial() in Asterisk 22 (apps/app_dial.c): what becomes of each, and their parser.

An option is done, or the whole call is left to Dial(): an option that were ignored would be another call than asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.errors import OffloadError
from stasis_offload.signalling.causes import CAUSE_NAMES, Cause

# Q.850 codes a cause in seven bits.
MAX_CAUSE = 127


class DialArgumentError(OffloadError):
    """The arguments of Stasis() cannot be dialled; the text names the invalid one."""


class Treatment(StrEnum):
    """What becomes of an option."""

    DONE = "done"
    RELAYED = "done, and the call is relayed while it needs audio"
    LEFT = "left to Dial()"


@dataclass(frozen=True, slots=True)
class DialOption:
    """One option: its letter, the form of its argument (empty: none), and why it is treated so."""

    letter: str
    argument: str
    treatment: Treatment
    text: str

    def __str__(self) -> str:
        return f"{self.letter}{self.argument}"


_DTMF = (
    "Asterisk follows DTMF features by a hook in the bridge. ARI sets none, and with one Asterisk does not bridge"
    " natively, so the call could never be offloaded."
)
_NOT_YET = "Not done yet."
_TABLE = (
    DialOption("A", "(x:y)", Treatment.LEFT, _NOT_YET),
    DialOption("a", "", Treatment.LEFT, _NOT_YET),
    DialOption("b", "(context^exten^priority(args))", Treatment.LEFT, _NOT_YET),
    DialOption("B", "(context^exten^priority(args))", Treatment.LEFT, _NOT_YET),
    DialOption("C", "", Treatment.LEFT, _NOT_YET),
    DialOption("c", "", Treatment.LEFT, _NOT_YET),
    DialOption("d", "", Treatment.LEFT, _NOT_YET),
    DialOption("D", "(called:calling:progress)", Treatment.LEFT, _NOT_YET),
    DialOption("E", "", Treatment.LEFT, "Part of D's MF and SF digits, which ARI does not send."),
    DialOption("e", "", Treatment.LEFT, _NOT_YET),
    DialOption("f", "(x)", Treatment.LEFT, _NOT_YET),
    DialOption("F", "(context^exten^priority)", Treatment.LEFT, _NOT_YET),
    DialOption("g", "", Treatment.DONE, "The caller continues in the dialplan when the callee hangs up."),
    DialOption("G", "(context^exten^priority)", Treatment.LEFT, _NOT_YET),
    DialOption("h", "", Treatment.LEFT, _DTMF),
    DialOption("H", "", Treatment.LEFT, _DTMF),
    DialOption("i", "", Treatment.LEFT, _NOT_YET),
    DialOption("I", "", Treatment.LEFT, _NOT_YET),
    DialOption(
        "j", "", Treatment.LEFT, "ARI gives a new channel the caller's present streams, not the first ones."
    ),
    DialOption("k", "", Treatment.LEFT, _DTMF),
    DialOption("K", "", Treatment.LEFT, _DTMF),
    DialOption("L", "(x:y:z)", Treatment.LEFT, _NOT_YET),
    DialOption("m", "(class)", Treatment.LEFT, _NOT_YET),
    DialOption("n", "(delete)", Treatment.LEFT, "Part of p and P."),
    DialOption("N", "", Treatment.LEFT, "Part of p and P."),
    DialOption("o", "(x)", Treatment.LEFT, _NOT_YET),
    DialOption("O", "(mode)", Treatment.LEFT, "For DAHDI channels, whose audio does not pass the switch."),
    DialOption(
        "p", "", Treatment.LEFT, "Records the caller's name and asks the callee by menus of Asterisk's own."
    ),
    DialOption("P", "(x)", Treatment.LEFT, "As p, and keeps the answers in Asterisk's database."),
    DialOption("Q", "(cause)", Treatment.LEFT, _NOT_YET),
    DialOption("r", "(tone)", Treatment.LEFT, _NOT_YET),
    DialOption("R", "", Treatment.LEFT, _NOT_YET),
    DialOption("S", "(x)", Treatment.LEFT, _NOT_YET),
    DialOption("s", "(x)", Treatment.LEFT, "The tag of the caller id of option f, which ARI cannot set."),
    DialOption("t", "", Treatment.LEFT, _DTMF),
    DialOption("T", "", Treatment.LEFT, _DTMF),
    DialOption("u", "(x)", Treatment.LEFT, _NOT_YET),
    DialOption("U", "(x^args)", Treatment.LEFT, _NOT_YET),
    DialOption("w", "", Treatment.LEFT, _DTMF),
    DialOption("W", "", Treatment.LEFT, _DTMF),
    DialOption("x", "", Treatment.LEFT, _DTMF),
    DialOption("X", "", Treatment.LEFT, _DTMF),
    DialOption("z", "", Treatment.LEFT, _NOT_YET),
)
OPTIONS: Mapping[str, DialOption] = {option.letter: option for option in _TABLE}


@dataclass(frozen=True, slots=True)
class DialOptions:
    """The options of one call.

    `go_on`: the caller continues in the dialplan when the callee hangs up (g). Until the answer the caller is sent
    ringing at once (`ring_at_once`: r, R), and only that (`ring_only`: r), or hears music of a class (`music`: m; empty:
    the channel's own). A target that is cancelled learns that the call was `answered_elsewhere` (c); targets are hung up
    with `dismiss_cause` when another one answers (Q). The call ends `time_limit` seconds after the answer (S).
    """

    go_on: bool = False
    ring_at_once: bool = False
    ring_only: bool = False
    music: str | None = None
    answered_elsewhere: bool = False
    dismiss_cause: int = Cause.ANSWERED_ELSEWHERE
    time_limit: float | None = None

    @property
    def entertained(self) -> bool:
        """Whether the caller is not to hear the callee before the answer."""
        return self.ring_only or self.music is not None


NO_OPTIONS = DialOptions()


def parse_options(text: str) -> DialOptions:
    """Parse an option string.

    Raises:
        DialArgumentError: naming the option that is unknown, left to Dial() or malformed, and why.

    """
    arguments = split_options(text.strip())
    for letter in arguments:
        option = OPTIONS.get(letter)
        if option is None:
            raise DialArgumentError(f"Dial() has no option {letter!r}")
        if option.treatment is Treatment.LEFT:
            raise _left(letter, option.text)
    if arguments.get("r"):
        raise _left("r", "with a tone, which ARI does not play before the answer.")
    return DialOptions(
        go_on="g" in arguments,
        ring_at_once=not arguments.keys().isdisjoint("rR"),
        ring_only="r" in arguments,
        music=arguments.get("m"),
        answered_elsewhere="c" in arguments,
        dismiss_cause=_parse_cause(arguments.get("Q", "")),
        time_limit=_parse_seconds(arguments.get("S", "")),
    )


def _left(letter: str, reason: str) -> DialArgumentError:
    return DialArgumentError(f"option {letter!r} is left to Dial(): {reason}")


def _parse_cause(text: str) -> int:
    cause = CAUSE_NAMES.get(text.upper())
    if cause is not None:
        return cause
    if text.upper() == "NONE":
        return 0
    if text.isascii() and text.isdecimal() and int(text) <= MAX_CAUSE:
        return int(text)
    if text:
        raise DialArgumentError(f"option 'Q' has no hang-up cause: {text!r}")
    return Cause.ANSWERED_ELSEWHERE


def _parse_seconds(text: str) -> float | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise DialArgumentError(f"option 'S' is not a whole number of seconds: {text!r}")
    return float(text)


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


def options_as_markdown() -> str:
    """Return the documentation page of all options."""
    lines = [
        "# The options of Dial()",
        "",
        "Written by `stasis-offload options --markdown`: what becomes of each option of Asterisk 22's `Dial()` in the third",
        "argument of `OffloadDial()`. With one that is left to `Dial()`, it runs `Dial()` itself, and Asterisk relays the call.",
        "",
        "| option | treatment | |",
        "|---|---|---|",
        *(f"| `{option}` | {option.treatment} | {option.text} |" for option in OPTIONS.values()),
    ]
    return "\n".join(lines) + "\n"
