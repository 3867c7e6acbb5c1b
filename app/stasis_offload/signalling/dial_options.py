"""The options of Dial() in Asterisk 22 (apps/app_dial.c): what becomes of each, and their parser.

An option is done, or the whole call is left to Dial(): an option that were ignored would be another call than asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.errors import OffloadError


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
    """The options of one call. `go_on`: the caller continues in the dialplan when the callee hangs up (g)."""

    go_on: bool = False


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
            raise DialArgumentError(f"option {letter!r} is left to Dial(): {option.text}")
    return DialOptions(go_on="g" in arguments)


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
        "argument of `Stasis(offload,…)`. With one that is left to `Dial()`, DIALSTATUS is `INVALIDARGS` and the caller",
        "continues in the dialplan; the sample dialplan then runs `Dial()` itself, and Asterisk relays the call.",
        "",
        "| option | treatment | |",
        "|---|---|---|",
        *(f"| `{option}` | {option.treatment} | {option.text} |" for option in OPTIONS.values()),
    ]
    return "\n".join(lines) + "\n"
