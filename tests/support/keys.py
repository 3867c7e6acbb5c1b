"""Digits that a voice sends (RFC 4733), as somebody presses them."""

import time

from lab.control import wait_until
from lab.talker_client import Talker

TELEPHONE_EVENT = 101
# Seconds from the beginning of a digit to that of the next: it lasts 0.2 s.
_EVERY = 0.3


def press(voices: Talker, name: str, digits: str) -> None:
    """Have a voice send digits, one after the other."""
    for digit in digits:
        end = time.time() + _EVERY
        voices.set(name, key="0123456789*#".index(digit), digit=TELEPHONE_EVENT)
        wait_until(lambda end=end: time.time() >= end, within=_EVERY + 10, what="a digit to be sent")  # type: ignore[misc]
