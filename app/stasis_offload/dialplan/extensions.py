"""The extensions of a dialplan: which application runs at which priority (pbx/pbx_config.c, pbx_load_config)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from stasis_offload.dialplan.config_file import ConfigFile, Entry, Section

_NO_CONTEXTS = {"general", "globals"}


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of an extension.

    `start` is where the application begins in the entry's value. The text from there on is all it consists of.
    """

    entry: Entry
    context: str
    extension: str
    priority: int
    label: str
    start: int

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.entry.file}:{self.entry.line}"

    @property
    def place(self) -> str:
        """Context, extension and priority as Asterisk names them."""
        return f"{self.context}/{self.extension}/{self.priority}"


@dataclass(slots=True)
class Context:
    """What one name of a context has, over all sections of that name."""

    steps: list[Step] = field(default_factory=list)
    switches: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Dialplan:
    """All contexts by name, the variables of `[globals]`, what is not known or Asterisk ignores, and missing files."""

    contexts: dict[str, Context] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        """Yield all steps, context by context."""
        for context in self.contexts.values():
            yield from context.steps


def parse_dialplan(config: ConfigFile) -> Dialplan:
    """Return the dialplan of a configuration file. What Asterisk ignores with a warning becomes a remark."""
    dialplan = Dialplan(remarks=list(config.remarks), missing=tuple(config.missing))
    for section in config.sections:
        if section.name.lower() == "globals":
            dialplan.variables.update((entry.name, entry.value) for entry in section.entries)
        elif section.name.lower() not in _NO_CONTEXTS:
            _SectionReader(section, dialplan).read()
    return dialplan


class _SectionReader:
    """Reads one section into its context; `n` and `same` go on from its own lines alone."""

    def __init__(self, section: Section, dialplan: Dialplan) -> None:
        self._section = section
        self._context = dialplan.contexts.setdefault(section.name, Context())
        self._remarks = dialplan.remarks
        self._extension = ""
        self._priority: int | None = None  # of the line before; a hint's is -1, as in pbx.h

    def read(self) -> None:
        for entry in self._section.entries:
            match entry.name.lower():
                case "exten":
                    end = _end_of_extension(entry.value)
                    # What follows a slash is the caller's number, for whom alone the line is.
                    self._extension = entry.value[:end].strip()
                    self._step(entry, end + 1)
                case name if name.startswith("same"):
                    self._step(entry, 0)
                case "switch" | "lswitch" | "eswitch":
                    self._context.switches.append(entry)
                case "include" | "ignorepat" | "autohints":
                    pass
                case name:
                    self._remark(entry, f"not known in a context: {name!r}")

    def _step(self, entry: Entry, at: int) -> None:
        comma = entry.value.find(",", at)
        start = len(entry.value) if comma < 0 else comma + 1
        priority, parenthesis, label = entry.value[at : start - (comma >= 0)].strip().partition("(")
        if not self._extension:
            self._remark(entry, "no `exten` before it in this section: Asterisk ignores the line")
        elif parenthesis and ")" not in label:
            self._remark(entry, "no `)` behind the label: Asterisk ignores the line")
        elif priority.partition("+")[0] == "hint":
            self._priority = -1
        else:
            label = label.partition(")")[0]
            if (number := self._number(priority)) is None:
                self._remark(entry, f"no such priority: {priority!r}: Asterisk ignores the line")
                return
            self._priority = number
            start += len(entry.value[start:]) - len(entry.value[start:].lstrip())
            name = self._section.name
            self._context.steps.append(Step(entry, name, self._extension, number, label, start))

    def _number(self, text: str) -> int | None:
        """Return the number of a priority: itself, after the last one, or that of a label; plus what is added."""
        base, _, added = text.partition("+")
        match base:
            case "n" | "next":
                number = None if self._priority is None else self._priority + 1
            case "s" | "same":
                number = self._priority
            case _ if base.isascii() and base.isdigit():
                number = int(base[:9])
            case _:
                steps = (step for step in self._context.steps if step.extension == self._extension)
                number = next((step.priority for step in steps if base and step.label == base), None)
        if number is None or number < 1:
            return None
        return number + (int(added[:9]) if added.isascii() and added.isdigit() else 0)

    def _remark(self, entry: Entry, text: str) -> None:
        self._remarks.append(f"{entry.file}:{entry.line}: {text}")


def _end_of_extension(value: str) -> int:
    """Return where the extension ends: at a comma that is not within brackets (pbx_strsep)."""
    brackets = at = 0
    while at < len(value):
        match value[at]:
            case "[":
                brackets += 1
            case "]":
                brackets = max(brackets - 1, 0)
            case "\\":
                at += 1
            case "," if not brackets:
                return at
        at += 1
    return len(value)
