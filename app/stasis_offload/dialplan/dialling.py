"""Where a dialplan dials: Dial() and its like, alone or within ExecIf(), Exec() and TryExec()."""

from collections.abc import Iterator
from dataclasses import dataclass

from stasis_offload.dialplan.arguments import Masked, mask
from stasis_offload.dialplan.extensions import Step
from stasis_offload.signalling.dial_args import spans

OFFLOAD_DIAL = "OffloadDial"
"""The application that is written in Dial()'s place (asterisk-module/README.md)."""

_NAMES = {
    name.lower(): name
    for name in (
        *("Dial", OFFLOAD_DIAL, "RetryDial", "Queue", "FollowMe", "Page", "Originate"),
        *("Macro", "Gosub", "GosubIf"),
    )
}
_WRAPPERS = {"exec", "tryexec"}


@dataclass(frozen=True, slots=True)
class Application:
    """An application as a step runs it: its name as Asterisk spells it, its arguments, and where it is in the value.

    `value` is the entry's, masked; `start` and `end` enclose the application with its parentheses, `inner` its
    arguments alone.
    """

    step: Step
    name: str
    value: Masked
    start: int
    end: int
    inner: tuple[int, int]

    @property
    def arguments(self) -> str:
        """What is in the parentheses, with its variables."""
        return self.value.shown(self.value.text[slice(*self.inner)])

    @property
    def text(self) -> str:
        """The application with its arguments."""
        return self.value.shown(self.value.text[self.start : self.end])

    def replaced_by(self, text: str) -> str:
        """Return the step's line with another application in this one's place, as it is written in the file."""
        before, after = self.value.text[: self.start], self.value.text[self.end :]
        line = f"{self.step.entry.name} => {self.value.shown(before)}{text}{self.value.shown(after)}"
        return line.replace(";", "\\;")


def applications_of(step: Step) -> Iterator[Application]:
    """Yield the applications of a step that dial or may lead to one that does."""
    value = mask(step.entry.value)
    yield from _within(step, value, step.start, len(value.text))


def _within(step: Step, value: Masked, start: int, end: int) -> Iterator[Application]:
    """Yield those of an application that is written from `start` to `end`, or the one itself."""
    start += len(value.text[start:end]) - len(value.text[start:end].lstrip())
    opening = value.text.find("(", start, end)
    if opening < 0:
        return
    closing = value.text.rfind(")", opening, end)
    inner = (opening + 1, closing if closing > opening else end)
    written = value.text[start:opening].strip().lower()
    if name := _NAMES.get(written):
        yield Application(step, name, value, start, closing + 1 if closing > opening else end, inner)
    elif written in _WRAPPERS:
        yield from _within(step, value, *inner)
    elif written == "execif":
        for part in _branches(value.text, *inner):
            yield from _within(step, value, *part)


def _branches(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return start and end of the two applications of ExecIf() (apps/app_exec.c, execif_exec)."""
    condition = spans(text[start:end], "?", 2)
    if len(condition) == 1:
        return []
    start += condition[1][0]
    return [(start + one, start + other) for one, other in spans(text[start:end], ":", 2)]
