"""Whether a Dial() can move to the application, judged from the text of its arguments."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.dialplan.arguments import Masked, any_value, mask
from stasis_offload.signalling.dial_args import parse_dial, split_arguments
from stasis_offload.signalling.dial_options import OPTIONS, Treatment
from stasis_offload.signalling.option_arguments import DialArgumentError, split_options

_REMOVED = {
    "sip": "chan_sip left Asterisk in version 21; make the peer a PJSIP endpoint first",
    "mgcp": "chan_mgcp left Asterisk in version 21",
    "skinny": "chan_skinny left Asterisk in version 21",
    "sccp": "chan_sccp is no part of Asterisk",
    "zap": "Zap became DAHDI in Asterisk 1.6",
    "agent": "the Agent channel left Asterisk in version 12",
    "h323": "chan_h323 left Asterisk in version 12",
    "misdn": "chan_misdn left Asterisk in version 19",
}
_LOCAL = "Local/ has no RTP (not-rtp), unless the extension that it runs dials by OffloadDial() itself"
# Whatever the function's argument: PJSIP channels (channels/pjsip/dialplan_functions.c).
_PJSIP_CONTACTS = re.compile(r"\$\{PJSIP_DIAL_CONTACTS\(.*\)\}")
_VARIABLE = re.compile(r"\$\{(?:GLOBAL\((\w+)\)|(\w+))\}")
_TARGET = "PJSIP/1"
_DEEPEST = 5  # values within values
_LONGEST = 8192  # characters, as of a line (main/pbx.c)


class Kind(StrEnum):
    """What is to be said of a Dial(), the best first."""

    MOVES = "moves"
    RELAYED = "moves, but stays relayed"
    UNKNOWN = "cannot tell"
    STAYS = "stays"


_MOVING = {Kind.MOVES, Kind.RELAYED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a Dial(), and each thing that stands against more."""

    kind: Kind
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {'; '.join(self.reasons)}" if self.reasons else str(self.kind)


def judge(arguments: str, values: Mapping[str, str]) -> Verdict:
    """Judge `DIALSTRING[,TIMEOUT[,OPTIONS]]` as written in a dialplan. `values` has the variables that are known."""
    masked = mask(with_values(arguments, values))
    parts = split_arguments(_with_contacts(masked))
    targets, timeout, options = (*parts, "", "")[:3]
    found = [
        *_of_targets(masked, targets, alone=len(parts) == 1),
        *_of_parse(masked, _TARGET, any_value(timeout), "", *parts[3:]),
        *_of_options(masked, options),
    ]
    if all(kind in _MOVING for kind, _ in found):
        found += _of_parse(masked, *map(any_value, parts))
    kind = max((kind for kind, _ in found), key=list(Kind).index, default=Kind.MOVES)
    # What only keeps a call relayed is of no interest when it does not move at all.
    return Verdict(kind, tuple(dict.fromkeys(text for found_kind, text in found if found_kind == kind)))


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Put in the values of the variables that are known; a value may have variables in its turn."""
    for _ in range(_DEEPEST):
        longer = _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), text)
        if len(longer) > _LONGEST or longer == text:
            break
        text = longer
    return text


def _with_contacts(masked: Masked) -> str:
    """Return the masked text with a PJSIP target where the function for all contacts of an address stands."""
    text = masked.text
    for hidden, variable in masked.variables.items():
        if _PJSIP_CONTACTS.fullmatch(variable):
            text = re.sub(f"{hidden}+", _TARGET, text)
    return text


def _of_targets(masked: Masked, text: str, *, alone: bool) -> Iterator[tuple[Kind, str]]:
    if alone and _is_variable(masked, text):
        yield Kind.UNKNOWN, f"{masked.shown(text.strip())} is a variable, which may hold options, too"
        return
    for target in text.split("&"):
        if target.strip():
            yield from _of_target(masked, target.strip())


def _of_target(masked: Masked, target: str) -> Iterator[tuple[Kind, str]]:
    shown = masked.shown(target)
    technology, slash, _ = target.partition("/")
    if masked.within(technology):
        yield Kind.UNKNOWN, f"the technology of {shown} is in a variable"
    elif "|" in target:
        yield Kind.STAYS, f"{shown}: since Asterisk 1.6 a comma separates arguments, not `|`"
    elif not slash:
        yield from _of_parse(masked, target)
    elif technology.lower() in _REMOVED:
        yield Kind.STAYS, f"{technology}/ ({_REMOVED[technology.lower()]})"
    elif technology.lower() == "local":
        yield Kind.RELAYED, _LOCAL
    elif technology.lower() != "pjsip":
        yield Kind.RELAYED, f"{technology}/ is not PJSIP (not-rtp)"


def _of_options(masked: Masked, text: str) -> Iterator[tuple[Kind, str]]:
    try:
        letters = split_options(text.strip())
    except DialArgumentError as error:
        yield Kind.STAYS, masked.shown(str(error))
        return
    left: dict[str, str] = {}  # the letters by the reason that they share
    for letter in letters:
        option = OPTIONS.get(letter)
        if masked.within(letter):
            yield Kind.UNKNOWN, f"{masked.shown(letter)} is a variable, which may hold any option"
        elif option is None:
            yield Kind.STAYS, f"Dial() has no option {letter!r}"
        elif option.treatment is Treatment.LEFT:
            left[option.text] = left.get(option.text, "") + letter
        elif option.treatment is Treatment.RELAYED:
            yield Kind.MOVES, f"relayed while option {letter} needs audio"
    for reason, sharing in left.items():
        yield Kind.STAYS, f"option{'s'[: len(sharing) - 1]} {', '.join(sharing)} ({reason.rstrip('.')})"


def _of_parse(masked: Masked, *arguments: str) -> Iterator[tuple[Kind, str]]:
    """Yield what the application itself objects to in arguments, if it does."""
    try:
        parse_dial(arguments)
    except DialArgumentError as error:
        yield Kind.STAYS, masked.shown(str(error))


def _is_variable(masked: Masked, text: str) -> bool:
    """Return whether a text is one variable and nothing else."""
    return len(masked.within(text)) == 1 and len(set(text.strip())) == 1
