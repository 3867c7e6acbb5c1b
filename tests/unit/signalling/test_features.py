"""Features by digits: who may ask for which, their codes, and what of a party's digits is one."""

import pytest

from stasis_offload.signalling.features import Codes, Collected, Feature, Features, features_of, parse_codes

TRANSFERS = (Feature.BLIND_TRANSFER, Feature.ATTENDED_TRANSFER)
CODES = parse_codes("blindxfer=#1&disconnect=*0&parkcall=#72&timeout=1500")


def asked(digits: str, *, every: float = 0.2, codes: Codes = CODES) -> list[Feature]:
    """Return what a party asks for that presses digits, one each `every` seconds."""
    collected, found = Collected(), []
    for number, digit in enumerate(digits):
        collected, feature = collected.with_digit(digit, 100.0 + number * every, codes)
        found += [feature] if feature else []
    return found


@pytest.mark.parametrize(
    ("letters", "caller", "callee"),
    [
        ("", (), ()),
        ("gr", (), ()),
        ("t", (), TRANSFERS),
        ("T", TRANSFERS, ()),
        ("hHkX", (Feature.DISCONNECT, Feature.MIX_MONITOR), (Feature.DISCONNECT, Feature.PARK)),
        ("wW", (), ()),
    ],
)
def test_small_letters_are_the_callees_and_great_ones_the_callers(
    letters: str, caller: tuple[Feature, ...], callee: tuple[Feature, ...]
) -> None:
    assert features_of(letters) == Features(frozenset(caller), frozenset(callee))


def test_codes_are_read_as_our_module_writes_them() -> None:
    assert (
        Codes({"#1": Feature.BLIND_TRANSFER, "*0": Feature.DISCONNECT, "#72": Feature.PARK}, timeout=1.5)
        == CODES
    )


@pytest.mark.parametrize(
    "text", ["", "timeout=1000", "blindxfer=", "automon=*1", "blindxfer", "timeout=soon", "=#1&&"]
)
def test_what_is_no_code_is_left_out(text: str) -> None:
    assert parse_codes(text) == Codes({}, timeout=1.0)


@pytest.mark.parametrize(
    ("digits", "features"),
    [
        ("#1", [Feature.BLIND_TRANSFER]),
        ("#72", [Feature.PARK]),
        ("5#1", [Feature.BLIND_TRANSFER]),
        ("*0#1", [Feature.DISCONNECT, Feature.BLIND_TRANSFER]),
        ("#", []),
        ("#5", []),
        ("##1", []),
        ("#7#1", []),
        ("#75#1", [Feature.BLIND_TRANSFER]),
        ("12345", []),
    ],
)
def test_digits_that_are_a_code_ask_for_its_feature(digits: str, features: list[Feature]) -> None:
    assert asked(digits) == features


def test_digits_that_come_too_slowly_are_no_code() -> None:
    assert asked("#1", every=1.4) == [Feature.BLIND_TRANSFER]
    assert asked("#1", every=1.6) == []


def test_a_code_that_begins_another_is_found_first() -> None:
    assert asked("#1#", codes=parse_codes("blindxfer=#&parkcall=#1")) == [Feature.BLIND_TRANSFER] * 2
