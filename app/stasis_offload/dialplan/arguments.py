"""The arguments of dialplan applications, taken apart before Asterisk has put in the values of variables.

A variable `${…}` or an expression `$[…]` is one unit, whatever is in it: it is put in before Asterisk splits the
arguments. `mask` hides each behind as many copies of a character of its own, so that positions stay as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIRST_MASK = 0xF0000  # Unicode's private use plane 15: 65,534 characters
_MASKED = re.compile("([\U000f0000-\U000ffffd])\\1*")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Masked:
    """A text whose variables are hidden; `variables` has each by the character that hides it."""

    text: str
    variables: Mapping[str, str]

    def shown(self, text: str) -> str:
        """Return a part of the text with its variables."""
        return _MASKED.sub(lambda found: self.variables.get(found[1], found[0]), text)

    def within(self, text: str) -> tuple[str, ...]:
        """Return the variables in a part of the text."""
        return tuple(self.variables[mask] for mask in _MASKED.findall(text) if mask in self.variables)


def mask(text: str) -> Masked:
    """Hide the variables and expressions of a text."""
    text = _MASKED.sub(lambda found: "?" * len(found[0]), text)
    variables: dict[str, str] = {}
    pieces, start = [], 0
    while (at := text.find("$", start)) >= 0:
        if text[at + 1 : at + 2] not in _CLOSING:
            pieces.append(text[start : at + 1])
            start = at + 1
            continue
        end = _end_of_variable(text, at + 1)
        hidden = chr(_FIRST_MASK + len(variables))
        variables[hidden] = text[at:end]
        pieces += text[start:at], hidden * (end - at)
        start = end
    return Masked("".join(pieces) + text[start:], variables)


def any_value(text: str) -> str:
    """Return a masked text with a value in the place of each variable that is valid as a name and as a number."""
    return _MASKED.sub("1", text)


def _end_of_variable(text: str, opening: int) -> int:
    """Return the position behind the brace or bracket that closes the one at `opening`, or the text's end."""
    open_, close = text[opening], _CLOSING[text[opening]]
    depth = 0
    for at in range(opening, len(text)):
        if text[at] == open_:
            depth += 1
        elif text[at] == close:
            depth -= 1
            if not depth:
                return at + 1
    return len(text)
