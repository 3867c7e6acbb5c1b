"""What `stasis-offload dialplan` says: of each place that dials, whether it can move, and the line that moves it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stasis_offload.dialplan.dialling import OFFLOAD_DIAL, Application, applications_of
from stasis_offload.dialplan.extensions import Dialplan, Step
from stasis_offload.dialplan.verdicts import Kind, Verdict, judge
from stasis_offload.signalling.dial_args import spans

_ALWAYS_STAY = {
    "RetryDial": "RetryDial() dials again by itself; a loop of OffloadDial() and Wait() can move",
    "Queue": "Queue() bridges the caller with a member itself: leave the Dial() that a member Local/… runs as it is, too",
    "FollowMe": "FollowMe() dials by followme.conf and bridges itself",
    "Page": "Page() makes a conference",
    "Originate": "Originate() makes a channel that runs an application or an extension: what that dials is judged there",
}
# Applications that run other lines of this or another file, whose arguments are ${ARG1} and so on there.
_CALLS = {"Macro", "Gosub", "GosubIf"}
_WORD = re.compile(r"(\$\{(?:GLOBAL\()?)?_{0,2}([A-Za-z]\w*)")
_ARGUMENT = re.compile(r"\$\{ARG\d+\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that dials, by an application whose text is given.

    `replacement` is the line that moves it; empty if it has to stay, or has moved already. `callers` are the lines that
    run it with arguments, if it depends on these, and the verdict for each.
    """

    step: Step
    application: str
    text: str
    verdict: Verdict
    replacement: str = ""
    callers: tuple[tuple[Step, Verdict], ...] = ()

    @property
    def moved(self) -> bool:
        """Whether it dials by the application already."""
        return self.application == OFFLOAD_DIAL

    @property
    def can_move(self) -> bool:
        """Whether the line may be replaced and the application then has the call."""
        return self.verdict.kind in {Kind.MOVES, Kind.RELAYED}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, remarks, missing files."""

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def all_move(self) -> bool:
        """Whether nothing stays and nothing is unknown."""
        return all(finding.can_move for finding in self.findings)


def examine(dialplan: Dialplan) -> Report:
    """Judge everything in a dialplan that dials."""
    applications = [found for step in dialplan.steps() for found in applications_of(step)]
    values = _constants(dialplan)
    calls = _calls(applications)
    findings = tuple(
        finding for application in applications if (finding := _finding(application, values, calls))
    )
    return Report(findings, (*dialplan.remarks, *_unseen(dialplan)), dialplan.missing)


def _finding(
    application: Application,
    values: Mapping[str, str],
    calls: Mapping[str, list[tuple[Step, dict[str, str]]]],
) -> Finding | None:
    name, step = application.name, application.step
    if name in _CALLS:
        return None
    if name in _ALWAYS_STAY:
        return Finding(step, name, application.text, Verdict(Kind.STAYS, (_ALWAYS_STAY[name],)))
    arguments = application.arguments
    verdict = judge(arguments, values)
    return Finding(
        step,
        name,
        application.text,
        verdict,
        ""
        if verdict.kind is Kind.STAYS or name == OFFLOAD_DIAL
        else application.replaced_by(f"{OFFLOAD_DIAL}({arguments})"),
        tuple(
            (caller, judge(arguments, {**values, **given}))
            for caller, given in calls.get(step.context, ())
            if verdict.kind is Kind.UNKNOWN and _ARGUMENT.search(arguments)
        ),
    )


def _constants(dialplan: Dialplan) -> dict[str, str]:
    """Return the variables of `[globals]` that no line of the dialplan appears to set."""
    named = {
        found[2]
        for step in dialplan.steps()
        for found in _WORD.finditer(step.entry.value, step.start)
        if not found[1]
    }
    return {name: value for name, value in dialplan.variables.items() if name not in named}


def _calls(applications: list[Application]) -> dict[str, list[tuple[Step, dict[str, str]]]]:
    """Return, by the context that is called, each line that calls it and the arguments that it passes."""
    calls: dict[str, list[tuple[Step, dict[str, str]]]] = {}
    for application in applications:
        if application.name in _CALLS and (target := _target(application)):
            context, arguments = target
            # What a line does not pass is empty.
            given = {f"ARG{n}": "" for n in range(1, 10)}
            given |= {f"ARG{n}": value for n, value in enumerate(_split(arguments), start=1)}
            calls.setdefault(context, []).append((application.step, given))
    return calls


def _target(application: Application) -> tuple[str, str] | None:
    """Return the context that a Gosub() or Macro() runs and its arguments in one; None if it is in a variable."""
    text = application.arguments
    if application.name == "Macro":
        name, _, arguments = text.partition(",")
        return f"macro-{name.strip()}", arguments
    label, parenthesis, arguments = text.partition("(")
    parts = [part.strip() for part in label.split(",")]
    if application.name == "GosubIf" or "$" in parts[0]:
        return None
    context = parts[0] if len(parts) > 2 else application.step.context  # noqa: PLR2004 - [[context,]extension,]priority
    return context, arguments[: arguments.rfind(")")] if parenthesis else ""


def _split(arguments: str) -> list[str]:
    return (
        [arguments[start:end] for start, end in spans(arguments, ",", len(arguments) + 1)]
        if arguments
        else []
    )


def _unseen(dialplan: Dialplan) -> Iterator[str]:
    """Yield what runs extensions that are in no file that was read."""
    for context in dialplan.contexts.values():
        for entry in context.switches:
            yield f"{entry.file}:{entry.line}: {entry.name} => {entry.value}: what that dials is not known"
