"""A report as text and as JSON."""

from collections.abc import Iterator

from stasis_offload.dialplan.report import Finding, Report
from stasis_offload.dialplan.verdicts import Kind

# Of a line that dials by the application already.
_MOVED = {
    Kind.MOVES: "has moved",
    Kind.RELAYED: "has moved, and stays relayed",
    Kind.UNKNOWN: "has moved; cannot tell whether Dial() makes the call",
    Kind.STAYS: "has moved, and Dial() makes the call all the same",
}


def as_lines(report: Report) -> Iterator[str]:
    """Yield the lines for a person: each place that dials with its verdict, then what else is to be known."""
    for finding in report.findings:
        yield f"{finding.step.where}  {finding.step.place}  {finding.text}"
        yield f"    {_said(finding)}"
        for caller, verdict in finding.callers:
            yield f"    from {caller.where}, {caller.place}: {verdict}"
        if finding.replacement:
            yield f"    {finding.replacement}"
    yield from report.remarks
    yield _summary(report.findings)


def as_json(report: Report) -> dict[str, object]:
    """Return the report for programs."""
    return {
        "all_move": report.all_move,
        "dials": [_finding_as_json(finding) for finding in report.findings],
        "remarks": list(report.remarks),
        "missing_files": list(report.missing),
    }


def _finding_as_json(finding: Finding) -> dict[str, object]:
    step, verdict = finding.step, finding.verdict
    return {
        "file": step.entry.file,
        "line": step.entry.line,
        "context": step.context,
        "extension": step.extension,
        "priority": step.priority,
        "application": finding.application,
        "text": finding.text,
        "verdict": verdict.kind,
        "reasons": list(verdict.reasons),
        "moved": finding.moved,
        "replacement": finding.replacement or None,
        "callers": [
            {
                "file": caller.entry.file,
                "line": caller.entry.line,
                "verdict": judged.kind,
                "reasons": list(judged.reasons),
            }
            for caller, judged in finding.callers
        ],
    }


def _said(finding: Finding) -> str:
    if not finding.moved:
        return str(finding.verdict)
    reasons = "; ".join(finding.verdict.reasons)
    return f"{_MOVED[finding.verdict.kind]}{': ' if reasons else ''}{reasons}"


def _summary(findings: tuple[Finding, ...]) -> str:
    counts = {kind: sum(finding.verdict.kind is kind for finding in findings) for kind in Kind}
    parts = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count)
    places = "1 place dials" if len(findings) == 1 else f"{len(findings)} places dial"
    return f"{places} ({parts})" if findings else "nothing dials"
