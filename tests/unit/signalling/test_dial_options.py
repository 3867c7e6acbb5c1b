"""The options of Dial(): their parser, their table, and its page."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.signalling.dial_options import (
    OPTIONS,
    DialOptions,
    Treatment,
    options_as_markdown,
    parse_options,
)
from stasis_offload.signalling.option_arguments import (
    AnnouncedLimit,
    DialArgumentError,
    in_full,
    split_options,
)

# apps/app_dial.c of Asterisk 22.10.1, dial_exec_options: with an argument, and without.
WITH_ARGUMENT = "AbBDfFGLmnoOPQrSsuU"
WITHOUT = "aCcdEeghHiIjkKNpRtTwWxXz"

HERE = ("in", "here", "7")


def test_every_option_of_dial_is_in_the_table_once_with_its_argument_and_a_text() -> None:
    assert sorted(OPTIONS) == sorted(WITH_ARGUMENT + WITHOUT)
    assert {letter for letter, option in OPTIONS.items() if option.argument} == set(WITH_ARGUMENT)
    assert all(letter == option.letter and option.text for letter, option in OPTIONS.items())


def test_the_page_of_the_documentation_is_what_the_code_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "dial-options.md"
    assert page.read_text(encoding="utf-8") == options_as_markdown()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("rtT", {"r": "", "t": "", "T": ""}),
        ("m(class)g", {"m": "class", "g": ""}),
        ("U(sub^a(b)^c)i", {"U": "sub^a(b)^c", "i": ""}),
        ("b(c^e^1(x))B(c^e^2)", {"b": "c^e^1(x)", "B": "c^e^2"}),
        (r"m(a\)b)", {"m": "a)b"}),
        (r"m(a\\b)", {"m": r"a\b"}),
        ('m("a)b")g', {"m": "a)b", "g": ""}),
        (r'm("a\"b\n)c")', {"m": r'a"b\n)c'}),
        ('m(a"b)', {"m": 'a"b'}),
        ("S(5)S(6)", {"S": "6"}),
        ("S(5)S", {"S": ""}),
        ("g(no argument)", {"g": "no argument"}),
        ("m()", {"m": ""}),
    ],
)
def test_an_option_string_is_split_as_asterisk_splits_it(text: str, arguments: dict[str, str]) -> None:
    assert split_options(text) == arguments


@pytest.mark.parametrize("text", ["S(5", "m((a)", "m(a\\", 'm("a)', r"m(a\)"])
def test_an_argument_without_an_end_is_an_error(text: str) -> None:
    with pytest.raises(DialArgumentError, match="has no end"):
        split_options(text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (" g ", DialOptions(go_on=True)),
        ("r", DialOptions(ring_at_once=True, ring_only=True)),
        ("r(busy)", DialOptions(ring_at_once=True, ring_only=True, tone="busy")),
        ("R", DialOptions(ring_at_once=True)),
        ("m", DialOptions(music="")),
        ("m(jazz)c", DialOptions(music="jazz", answered_elsewhere=True)),
        ("Q(17)", DialOptions(dismiss_cause=17)),
        ("Q(no_answer)", DialOptions(dismiss_cause=19)),
        ("Q", DialOptions()),
        ("S(30)S", DialOptions()),
        ("S(30)a", DialOptions(time_limit=30.0, answer_first=True)),
        ("b(c^e^1(x^y))", DialOptions(callee_sub="c,e,1(x,y)")),
        ("B(c^e^label)C", DialOptions(caller_sub="c,e,label", reset_cdr=True)),
        ("U(sub^x^y)", DialOptions(answer_sub="sub,s,1(x,y)")),
        ("U(sub)", DialOptions(answer_sub="sub,s,1")),
        ("f(A <1>)u(prohib)s(t)", DialOptions(connected="A <1>", presentation="prohib", tag="t")),
        ("o", DialOptions(caller_id="")),
        ("o(1)", DialOptions(caller_id="1")),
        ("A(x)", DialOptions(files=("x", ""))),
        ("A(:y)", DialOptions(files=("", "y"))),
        ("D(1w:2)", DialOptions(digits=("1w", "2"))),
        ("D(:2)", DialOptions(digits=("", "2"))),
        ("D(1::)", DialOptions(digits=("1", ""))),
        ("G(c^e^1)", DialOptions(part_at=("c", "e", "1"))),
        ("L(5000)S(9)", DialOptions(announced_limit=AnnouncedLimit(5.0), time_limit=9.0)),
        ("L(60000:30000:10000)", DialOptions(announced_limit=AnnouncedLimit(60.0, 30.0, 10.0))),
        ("L(10000:25000:10000)", DialOptions(announced_limit=AnnouncedLimit(10.0, 5.0, 10.0))),
        ("L(10000:25000)", DialOptions(announced_limit=AnnouncedLimit(10.0))),
        ("L(1000:3000:2000)", DialOptions(announced_limit=AnnouncedLimit(1.0, 1.0, 2.0))),
        ("L(1000:2000:2000)", DialOptions(announced_limit=AnnouncedLimit(1.0))),
        ("diIz", DialOptions(digit_exits=True, no_forwarding=True, no_updates=True, forwards_wait=True)),
        ("eF(c^e^1)", DialOptions(runs_h=True)),
        ("f", DialOptions(forwards_as="<here>")),
        ("F", DialOptions(callee_goes_to=("in", "here", "8"))),
        ("F(1)", DialOptions(callee_goes_to=("in", "here", "1"))),
        ("F(+2)", DialOptions(callee_goes_to=("in", "here", "9"))),
        ("F(e^label)", DialOptions(callee_goes_to=("in", "e", "label"))),
        ("G(e^1)", DialOptions(part_at=("in", "e", "1"))),
        ("b(e^1)B(1(x))", DialOptions(callee_sub="in,e,1", caller_sub="in,here,1(x)")),
        ("F(c^e^1)", DialOptions(callee_goes_to=("c", "e", "1"))),
    ],
)
def test_the_options_of_a_call_are_read(text: str, options: DialOptions) -> None:
    assert parse_options(text, HERE) == options


@pytest.mark.parametrize(
    "text",
    [
        "B(c^^1)",
        "F(c^e^1^x)",
        "b((x))",
        "D(1::2)",
        "D(x)",
        "S(x)",
        "L(x)",
        "L(0)",
        "Q(x)",
        "Q(200)",
        "G(c^e^label)",
        "Q(NONE)",
        "Q(0)",
    ],
)
def test_an_argument_that_asterisk_alone_understands_or_nobody_is_refused(text: str) -> None:
    with pytest.raises(DialArgumentError, match=f"option '{text[0]}'"):
        parse_options(text, HERE)


@pytest.mark.parametrize("letter", [letter for letter, o in OPTIONS.items() if o.treatment is Treatment.LEFT])
def test_an_option_that_is_left_to_dial_is_named_with_its_reason(letter: str) -> None:
    reason = re.escape(f"option {letter!r} is left to Dial(): {OPTIONS[letter].text}")
    with pytest.raises(DialArgumentError, match=reason):
        parse_options(f"g{letter}(x)", HERE)


def test_a_letter_that_is_no_option_is_named() -> None:
    with pytest.raises(DialArgumentError, match="no option 'Z'"):
        parse_options("gZ", HERE)


@given(st.text(alphabet='gmSL()\\"^: '))
def test_any_option_string_is_split_or_a_named_error(text: str) -> None:
    try:
        arguments = split_options(text)
    except DialArgumentError:
        return
    assert set(arguments) <= set(text)


@pytest.mark.parametrize(
    ("place", "whole"),
    [("5", ("here", "100", "5")), ("s^5", ("here", "s", "5")), ("there^s^5", ("there", "s", "5"))],
)
def test_a_place_is_completed_by_where_the_channel_is(place: str, whole: tuple[str, ...]) -> None:
    assert in_full(place, ["here", "100", "1"]) == whole
