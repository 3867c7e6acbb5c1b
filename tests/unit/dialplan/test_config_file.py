"""Files as Asterisk's own parser reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.dialplan.config_file import LONGEST_LINE, ConfigFile, DialplanError, parse_config


def parse(text: str, **others: str) -> ConfigFile:
    """Parse `main.conf` beside other files, `.conf` left out; a name in an #include may be `all`, for all of them."""
    files = {f"{name}.conf": contents.encode() for name, contents in others.items()}

    def included(name: str) -> list[tuple[str, bytes]]:
        return [(file, contents) for file, contents in files.items() if name in {file, "all"}]

    return parse_config("main.conf", text.encode(), included=included)


def lines_of(config: ConfigFile) -> dict[str, list[str]]:
    return {
        section.name: [f"{entry.name}={entry.value}" for entry in section.entries]
        for section in config.sections
    }


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a = b", "b"),
        ("a=>b", "b"),
        ("  a  =>  b c \t", "b c"),
        ("a = b = c", "b = c"),
        ("a = b ; c", "b"),
        ("a = b;c", "b"),
        (r"a = b\;c", "b;c"),
        (r"a = b\;c;d\;e", "b;c"),
        ("a = b ;-- c --; d", "b  d"),
        ("a = b ;-- c ;-- d --; e --; f", "b  f"),
        ("a = b ;--- c --; d", "b"),
        ("a = b ;-- c ; d --; e", "b  e"),
        ('a = "b"', '"b"'),
        ("a = ${b;c}", "${b"),
        ("a = b\r", "b"),
        ("a =", ""),
    ],
)
def test_a_line_is_a_name_and_a_value_without_comments(line: str, value: str) -> None:
    assert lines_of(parse(f"[s]\n{line}\n")) == {"s": [f"a={value}"]}


def test_a_comment_goes_over_many_lines() -> None:
    config = parse("[s]\na = 1\nb = 2 ;-- c = 3\nd = 4\n[t]\n--; e = 5\nf = 6")
    assert lines_of(config) == {"s": ["a=1", "b=2", "e=5", "f=6"]}


def test_what_follows_a_comment_that_does_not_end_is_remarked() -> None:
    config = parse("[s]\na = 1\n;-- x\nb = 2\n")
    assert lines_of(config) == {"s": ["a=1"]}
    assert config.remarks == ["main.conf:3: a comment `;--` that does not end"]


def test_the_end_of_no_comment_hides_what_follows_as_in_asterisk() -> None:
    config = parse("[s]\na = 1\nb = 2 --; c\nd = 3\ne = 4 ;-- x --;\nf = 5\n;-- y\ng = 6 ; z\n")
    assert lines_of(config) == {"s": ["a=1", "b=2 --; c", "g=6"]}
    assert config.remarks == [
        f"main.conf:{line}: `--;` closes no comment: Asterisk ignores what follows, up to the next `;--`"
        for line in (3, 5)
    ]


def test_a_template_is_no_section_and_gives_its_lines_to_others() -> None:
    config = parse("[t](!)\na = 1\n[o]\nb = 2\n[u](t,o)\nc = 3\n[v]\nd = 4\n[u](+)\ne = 5\n")
    assert lines_of(config) == {"o": ["b=2"], "u": ["a=1", "b=2", "c=3", "e=5"], "v": ["d=4"]}
    assert [entry.line for entry in config.sections[1].entries] == [2, 4, 6, 10]


def test_a_section_may_occur_twice() -> None:
    assert [section.name for section in parse("[a]\n[b]\n[a]\n").sections] == ["a", "b", "a"]


def test_plus_equals_continues_the_last_value_of_that_name() -> None:
    assert lines_of(parse("[s]\na = 1\na = 2\nb = 3\na += 4\nc += 5\n")) == {
        "s": ["a=1", "a=24", "b=3", "c=5"]
    }


def test_an_included_file_goes_on_in_the_section_and_ends_its_own() -> None:
    config = parse(
        '[s]\na = 1\n#include "x.conf"\nb = 2\n#include <y.conf>\n', x="c = 3\n[t]\nd = 4", y="e = 5"
    )
    assert lines_of(config) == {"s": ["a=1", "c=3", "b=2"], "t": ["d=4", "e=5"]}
    assert [f"{entry.file}:{entry.line}" for entry in config.sections[0].entries] == [
        *("main.conf:2", "x.conf:1", "main.conf:4")
    ]


def test_a_name_may_stand_for_many_files() -> None:
    assert lines_of(parse("[s]\n#include all\n", x="a = 1", y="b = 2")) == {"s": ["a=1", "b=2"]}


def test_nothing_is_executed_and_what_is_not_known_is_remarked() -> None:
    config = parse("[s]\n#exec /bin/false\n#tryinclude none.conf\n#bogus x\n#include\na = 1\n")
    assert lines_of(config) == {"s": ["a=1"]}
    assert config.remarks == [
        "main.conf:2: #exec /bin/false is not run: what it adds is not known",
        "main.conf:3: there is no file 'none.conf' to include",
        "main.conf:4: an unknown directive: #bogus",
        "main.conf:5: #include without a name",
    ]
    assert config.missing == []


def test_a_missing_file_is_named_and_the_rest_is_read() -> None:
    config = parse("[s]\na = 1\n#include none.conf\nb = 2\n")
    assert lines_of(config) == {"s": ["a=1", "b=2"]}
    assert config.missing == ["main.conf:3: there is no file 'none.conf' to include"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1", "main.conf:1: before the first [context]; is it an extensions.conf?"),
        ("\n[s\na = 1", "main.conf:2: no closing `]`"),
        ("[s](!\n", "main.conf:1: no closing `)`"),
        ("[s](none)\n", "main.conf:1: there is no section [none] to inherit from or to add to"),
        ("[s](+)\n", "main.conf:1: there is no section [s] to inherit from or to add to"),
        ("#include x.conf\n", "x.conf:1: files include one another more than 10 deep"),
    ],
)
def test_a_file_that_asterisk_refuses_is_an_error_that_names_the_line(text: str, message: str) -> None:
    with pytest.raises(DialplanError) as refused:
        parse(text, x="#include x.conf")
    assert str(refused.value) == message


def test_a_byte_order_mark_and_foreign_bytes_do_no_harm() -> None:
    config = parse_config("f", b"\xef\xbb\xbf[s]\na = \xff\x00b\n", included=lambda _: ())
    assert lines_of(config) == {"s": ["a=\ufffd\x00b"]}


def test_a_line_too_long_for_asterisk_is_skipped_and_remarked() -> None:
    config = parse(f"[s]\na = {'x' * LONGEST_LINE}\nb = 1\n")
    assert lines_of(config) == {"s": ["b=1"]}
    assert config.remarks == [f"main.conf:2: a line of {LONGEST_LINE + 4} bytes, which Asterisk skips"]


@given(st.binary(max_size=300) | st.text("[]()!+;-\\#=>,n1 \nexten", max_size=300).map(str.encode))
def test_any_file_is_read_or_refused(contents: bytes) -> None:
    try:
        config = parse_config("f", contents, included=lambda _: ())
    except DialplanError as error:
        assert str(error).startswith("f:")  # noqa: PT017 - most files are read
    else:
        assert all(entry.line for section in config.sections for entry in section.entries)
