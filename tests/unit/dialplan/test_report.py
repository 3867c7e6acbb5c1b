"""What is found in a dialplan, and the lines that replace what moves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.dialplan.config_file import parse_config
from stasis_offload.dialplan.extensions import parse_dialplan
from stasis_offload.dialplan.presentation import as_json, as_lines
from stasis_offload.dialplan.report import Report, examine


def report_of(text: str) -> Report:
    return examine(parse_dialplan(parse_config("f", text.encode(), included=lambda _: ())))


def context(*lines: str) -> Report:
    return report_of("\n".join(["[c]", "exten => 1,1,NoOp()", *(f" same => n,{line}" for line in lines)]))


@pytest.mark.parametrize(
    ("line", "replacement"),
    [
        ("Dial(PJSIP/1,30)", "same => n,OffloadDial(PJSIP/1,30)"),
        ("dial( PJSIP/1 )", "same => n,OffloadDial( PJSIP/1 )"),
        (r"Dial(PJSIP/1/sip:2@h\;x=y,30,g)", r"same => n,OffloadDial(PJSIP/1/sip:2@h\;x=y,30,g)"),
        (
            'ExecIf($["${A}"="1,2"]?Dial(PJSIP/1,30):NoOp(x))',
            'same => n,ExecIf($["${A}"="1,2"]?OffloadDial(PJSIP/1,30):NoOp(x))',
        ),
        (
            "ExecIf(${A:1}?NoOp(a):Dial(PJSIP/${B:2},30))",
            "same => n,ExecIf(${A:1}?NoOp(a):OffloadDial(PJSIP/${B:2},30))",
        ),
        ("TryExec(Dial(PJSIP/1))", "same => n,TryExec(OffloadDial(PJSIP/1))"),
        ("Exec(Dial(PJSIP/1))", "same => n,Exec(OffloadDial(PJSIP/1))"),
        ("Dial(PJSIP/1,${A(b,c)},${D})", "same => n,OffloadDial(PJSIP/1,${A(b,c)},${D})"),
        ("Dial(SIP/1,30)", ""),
        ("Dial(PJSIP/1,30,p)", ""),
    ],
)
def test_what_may_move_has_its_line(line: str, replacement: str) -> None:
    (finding,) = context(line).findings
    assert finding.replacement == replacement


def test_both_branches_of_execif_are_judged() -> None:
    kinds = [str(finding.verdict.kind) for finding in context("ExecIf(1?Dial(SIP/1):Dial(PJSIP/1))").findings]
    assert kinds == ["stays", "moves"]


@pytest.mark.parametrize(
    "line",
    [
        "NoOp(Dial(PJSIP/1))",
        "Set(x=Dial)",
        "Dial",
        "ExecIf(1)",
        "Gosub(other,s,1(PJSIP/1))",
        "GosubIf(1?a,1:b,1)",
    ],
)
def test_these_do_not_dial(line: str) -> None:
    report = context(line)
    assert report.findings == ()
    assert report.all_move


@pytest.mark.parametrize(
    "name",
    ["RetryDial(a,1,2,PJSIP/1)", "Queue(q)", "FollowMe(1)", "Page(PJSIP/1)", "Originate(PJSIP/1,app,Echo)"],
)
def test_other_applications_that_dial_stay(name: str) -> None:
    (finding,) = context(name).findings
    assert str(finding.verdict).startswith("stays: ")
    assert finding.text == name


def test_what_has_moved_is_judged_again() -> None:
    report = report_of("[c]\nexten => 1,1,OffloadDial(PJSIP/1,30)\n same => n,OffloadDial(PJSIP/1,30,p)\n")
    assert [(finding.moved, finding.can_move, finding.replacement) for finding in report.findings] == [
        (True, True, ""),
        (True, False, ""),
    ]
    assert [line.strip() for line in as_lines(report)][1:4:2] == [
        "has moved",
        f"has moved, and Dial() makes the call all the same: {report.findings[1].verdict.reasons[0]}",
    ]


def test_a_global_variable_is_known_unless_a_line_may_set_it() -> None:
    text = "[globals]\nT=PJSIP/t\n[c]\nexten => 1,1,Dial(${T}/1)\n"
    (known,) = report_of(text).findings
    assert str(known.verdict) == "moves"
    for line in ("Set(GLOBAL(T)=SIP/x)", "Set(__T=SIP/x)", "Read(T)"):
        (changed,) = report_of(f"{text} same => n,{line}\n").findings
        assert str(changed.verdict) == "cannot tell: the technology of ${T}/1 is in a variable"


def test_each_caller_of_a_subroutine_that_dials_is_judged_by_what_it_passes() -> None:
    report = report_of(
        "[dial]\nexten => s,1,Dial(${ARG1},${ARG2},${ARG3})\n"
        "[macro-old]\nexten => s,1,Dial(${ARG1})\n"
        "[c]\nexten => 1,1,Gosub(dial,s,1(PJSIP/1,30))\nsame => n,Gosub(dial,s,1(PJSIP/1,30,p))\n"
        "same => n,Macro(old,SIP/1)\nsame => n,Gosub(${X},s,1(PJSIP/1))\n"
    )
    callers = [
        [(step.entry.line, str(verdict.kind)) for step, verdict in found.callers] for found in report.findings
    ]
    assert callers == [[(6, "moves"), (7, "stays")], [(8, "stays")]]
    assert not report.all_move


def test_a_switch_to_other_dialplans_is_remarked() -> None:
    assert report_of("[c]\nswitch => Realtime/x@y\n").remarks == (
        "f:2: switch => Realtime/x@y: what that dials is not known",
    )


def test_a_person_reads_place_verdict_and_line() -> None:
    report = report_of("[c]\nexten => 1,1(x),Dial(PJSIP/1,30)\n#exec x\n")
    assert list(as_lines(report)) == [
        "f:2  c/1/1  Dial(PJSIP/1,30)",
        "    moves",
        "    exten => 1,1(x),OffloadDial(PJSIP/1,30)",
        "f:3: #exec x is not run: what it adds is not known",
        "1 place dials (moves: 1)",
    ]
    assert list(as_lines(report_of("[c]\n"))) == ["nothing dials"]


def test_a_program_reads_the_same() -> None:
    answer = json.loads(json.dumps(as_json(context("Dial(PJSIP/1)", "Queue(q)"))))
    assert answer["all_move"] is False
    place = {"file": "f", "line": 3, "context": "c", "extension": "1", "priority": 2, "application": "Dial"}
    said = {"text": "Dial(PJSIP/1)", "verdict": "moves", "reasons": [], "moved": False, "callers": []}
    line = "same => n,OffloadDial(PJSIP/1)"
    assert answer["dials"][0] == {**place, **said, "replacement": line}
    assert answer["dials"][1]["replacement"] is None


@given(st.lists(st.text('${}[](),"\\&/?:=ExecIfDialGosub', max_size=60), max_size=3))
def test_any_line_is_examined(lines: list[str]) -> None:
    assert list(as_lines(context(*(line.replace("\n", " ") for line in lines))))
