"""Extensions and priorities as pbx_config counts them."""

import pytest

from stasis_offload.dialplan.config_file import parse_config
from stasis_offload.dialplan.extensions import Dialplan, parse_dialplan


def parse(text: str) -> Dialplan:
    return parse_dialplan(parse_config("f", text.encode(), included=lambda _: ()))


def steps_of(dialplan: Dialplan) -> list[str]:
    return [f"{step.place} {step.label}|{step.entry.value[step.start :]}" for step in dialplan.steps()]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["exten => 1,1,A()"], ["c/1/1 |A()"]),
        (["exten=1,1,A"], ["c/1/1 |A"]),
        (["EXTEN => 1,1,A()", "SAME => n,B()"], ["c/1/1 |A()", "c/1/2 |B()"]),
        (["exten => 1,1(x),A()", " same => n(y), B(c,d)"], ["c/1/1 x|A()", "c/1/2 y|B(c,d)"]),
        (["exten => 1,5,A()", "exten => 1,next,B()"], ["c/1/5 |A()", "c/1/6 |B()"]),
        (["exten => 1,1,A()", "exten => 1,n+100,B()"], ["c/1/1 |A()", "c/1/102 |B()"]),
        (
            ["exten => 1,1,A()", "exten => 2,s,B()", "exten => 2,n,C()"],
            ["c/1/1 |A()", "c/2/1 |B()", "c/2/2 |C()"],
        ),
        (["exten => 1,1(x),A()", "exten => 1,x+101,B()"], ["c/1/1 x|A()", "c/1/102 |B()"]),
        (["exten => _[1,2]X.,1,A()"], ["c/_[1,2]X./1 |A()"]),
        (["exten => 1/555,1,A()"], ["c/1/555/1 |A()"]),
        (["exten => 1,hint,PJSIP/1"], []),
        (["exten => 1,1"], ["c/1/1 |"]),
        (["exten => 1, 1 , A()"], ["c/1/1 |A()"]),
    ],
)
def test_a_line_is_an_application_at_a_priority(lines: list[str], expected: list[str]) -> None:
    dialplan = parse("\n".join(["[c]", *lines]))
    assert steps_of(dialplan) == expected
    assert dialplan.remarks == []


@pytest.mark.parametrize(
    ("line", "remark"),
    [
        ("same => n,A()", "no `exten` before it in this section: Asterisk ignores the line"),
        ("exten => 1,n,A()", "no such priority: 'n': Asterisk ignores the line"),
        ("exten => 1,nowhere,A()", "no such priority: 'nowhere': Asterisk ignores the line"),
        ("exten => 1,0,A()", "no such priority: '0': Asterisk ignores the line"),
        ("exten => 1,1(x,A", "no `)` behind the label: Asterisk ignores the line"),
        ("exten => 1", "no such priority: '': Asterisk ignores the line"),
        ("extension => 1,1,A()", "not known in a context: 'extension'"),
    ],
)
def test_what_asterisk_ignores_is_remarked(line: str, remark: str) -> None:
    dialplan = parse(f"[c]\n{line}\n")
    assert steps_of(dialplan) == []
    assert dialplan.remarks == [f"f:2: {remark}"]


def test_next_after_a_hint_is_ignored_until_a_number_comes() -> None:
    dialplan = parse(
        "[c]\nexten => 1,1,A()\nexten => 2,hint,PJSIP/2\nsame => n,B()\nsame => 1,C()\nsame => n,D()\n"
    )
    assert steps_of(dialplan) == ["c/1/1 |A()", "c/2/1 |C()", "c/2/2 |D()"]
    assert dialplan.remarks == ["f:4: no such priority: 'n': Asterisk ignores the line"]


def test_next_does_not_go_on_from_another_section() -> None:
    dialplan = parse("[c]\nexten => 1,1,A()\n[d]\nexten => 1,1,B()\n[c]\nsame => n,C()\nexten => 1,2,D()\n")
    assert steps_of(dialplan) == ["c/1/1 |A()", "c/1/2 |D()", "d/1/1 |B()"]


def test_general_and_globals_are_no_contexts() -> None:
    dialplan = parse("[general]\nstatic=yes\n[globals]\nA=1\nB=${A}\n[GLOBALS]\nA=2\n[c]\n")
    assert dialplan.variables == {"A": "2", "B": "${A}"}
    assert list(dialplan.contexts) == ["c"]
