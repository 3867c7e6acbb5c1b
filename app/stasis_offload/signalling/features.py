"""DTMF features of Dial(): who may ask for which, and by what digits (features.conf).

While Asterisk relays a call, it follows the digits itself, as in a bridge of Dial(). While the switch carries it, or it is
learned, the application does (`Collected`), by the rules of bridge_channel_feature in main/bridge_channel.c, and has Asterisk
run what was asked for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# Asterisk's default for `featuredigittimeout` (main/features_config.c), ms.
_DIGIT_TIMEOUT = "1000"


class Feature(StrEnum):
    """A feature by its name in features.conf."""

    BLIND_TRANSFER = "blindxfer"
    ATTENDED_TRANSFER = "atxfer"
    DISCONNECT = "disconnect"
    PARK = "parkcall"
    MIX_MONITOR = "automixmon"


_BY_LETTER: Mapping[str, frozenset[Feature]] = {
    "t": frozenset({Feature.BLIND_TRANSFER, Feature.ATTENDED_TRANSFER}),
    "h": frozenset({Feature.DISCONNECT}),
    "k": frozenset({Feature.PARK}),
    "x": frozenset({Feature.MIX_MONITOR}),
}


@dataclass(frozen=True, slots=True)
class Features:
    """The features that each party of a call may ask for."""

    caller: frozenset[Feature] = frozenset()
    callee: frozenset[Feature] = frozenset()


NO_FEATURES = Features()


def features_of(letters: Collection[str]) -> Features:
    """Return the features of the options of Dial(): the small letters are the callee's, the great ones the caller's."""
    return Features(
        caller=frozenset[Feature]().union(
            *(_BY_LETTER[each] for each in _BY_LETTER if each.upper() in letters)
        ),
        callee=frozenset[Feature]().union(*(_BY_LETTER[each] for each in _BY_LETTER if each in letters)),
    )


@dataclass(frozen=True, slots=True)
class Codes:
    """The digits by which one party asks for each feature; `timeout` is the most seconds between two of them."""

    by_digits: Mapping[str, Feature] = field(default_factory=dict)
    timeout: float = 1.0


NO_CODES = Codes()


def parse_codes(text: str) -> Codes:
    """Parse what OFFLOAD_FEATURES() of our module reads: `blindxfer=#1&disconnect=*0&timeout=1000` (ms).

    What is not understood is left out: a code that nobody can dial.
    """
    values = dict(item.partition("=")[::2] for item in text.split("&"))
    timeout = values.pop("timeout", _DIGIT_TIMEOUT)
    known = {digits: Feature(name) for name, digits in values.items() if digits and name in tuple(Feature)}
    return Codes(known, int(timeout if timeout.isdecimal() else _DIGIT_TIMEOUT) / 1000)


@dataclass(frozen=True, slots=True)
class Collected:
    """The digits of one party that may be the beginning of a code; `at` is when the last came (s, of a monotonic clock)."""

    digits: str = ""
    at: float = 0.0

    def with_digit(self, digit: str, now: float, codes: Codes) -> tuple["Collected", Feature | None]:
        """Return what is collected after one more digit, and the feature that the digits ask for, if they do."""
        timely = now - self.at <= codes.timeout
        digits = (self.digits if timely else "") + digit
        if digits in codes.by_digits:
            return Collected(), codes.by_digits[digits]
        begins = any(code.startswith(digits) for code in codes.by_digits)
        return (Collected(digits, now) if begins else Collected()), None
