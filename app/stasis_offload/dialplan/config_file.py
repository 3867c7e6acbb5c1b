"""Asterisk's configuration files as its parser reads them: sections of `name = value` lines (main/config.c).

Files are read by the caller: `Open` returns the contents of what an `#include` names.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stasis_offload.errors import OffloadError

Open = Callable[[str], Iterable[tuple[str, bytes]]]
"""The files that a name or pattern of an `#include` stands for: their names and contents; none if there are none."""

LONGEST_LINE = 8190
"""Bytes of a line, without its end; Asterisk skips a longer one (config_text_file_load)."""
DEEPEST_INCLUDE = 10
"""Files included by one another (main/config.c, MAX_INCLUDE_LEVEL)."""


class DialplanError(OffloadError):
    """A file that Asterisk would refuse; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `name = value` line."""

    file: str
    line: int
    name: str
    value: str


@dataclass(slots=True)
class Section:
    """One `[name]` and its lines; a template is no section of its own, but others inherit it."""

    name: str
    template: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class ConfigFile:
    """What a file and those it includes consist of.

    `remarks` and `missing` are lines `FILE:LINE: …`: what is not known, and files without which Asterisk refuses it all.
    """

    sections: list[Section] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def parse_config(name: str, contents: bytes, *, included: Open) -> ConfigFile:
    """Return the sections of a file and of all that it includes, in order, templates left out.

    Raises:
        DialplanError: Asterisk would not load the file.

    """
    reader = _Reader(included)
    reader.read(name, contents)
    reader.config.sections = [section for section in reader.config.sections if not section.template]
    return reader.config


class _Reader:
    """Reads a file and those it includes into one ConfigFile."""

    def __init__(self, included: Open) -> None:
        self._included = included
        self._current: Section | None = None
        self._depth = 0
        self.config = ConfigFile()

    def read(self, file: str, contents: bytes) -> None:
        """Read one file; what it includes is read at that point."""
        # An included file goes on in the section it is included from, and its own do not last beyond its end.
        section = self._current
        comments = _Comments()
        for number, raw in enumerate(contents.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            where = f"{file}:{number}"
            if len(raw) > LONGEST_LINE:
                self.config.remarks.append(f"{where}: a line of {len(raw)} bytes, which Asterisk skips")
                continue
            line = _stripped(comments.remove(raw.decode("utf-8", errors="replace"), number))
            if line.startswith("["):
                section = self._open_section(line, where)
            elif line.startswith("#"):
                self._follow(line, where)
            elif line:
                self._add(section, Entry(file, number, *_name_and_value(line)), where)
        self.config.remarks += [
            f"{file}:{number}: `--;` closes no comment: Asterisk ignores what follows, up to the next `;--`"
            for number in comments.stray
        ]
        if comments.opened:
            self.config.remarks.append(f"{file}:{comments.opened}: a comment `;--` that does not end")

    def _open_section(self, line: str, where: str) -> Section:
        name, bracket, rest = line[1:].partition("]")
        if not bracket:
            raise DialplanError(f"{where}: no closing `]`")
        section = opened = Section(name)
        if rest.startswith("("):
            inherited, parenthesis, _ = rest[1:].partition(")")
            if not parenthesis:
                raise DialplanError(f"{where}: no closing `)`")
            section = self._inherit(section, inherited.split(","), where)
        if section is opened:
            self.config.sections.append(section)
        self._current = section
        return section

    def _inherit(self, section: Section, options: list[str], where: str) -> Section:
        """Return the section to be filled: itself, or for `+` the one that it adds to."""
        for option in options:
            if option == "!":
                section.template = True
            elif option.startswith("+"):
                known = self._find(section.name, where)
                known.template |= section.template
                known.entries += section.entries
                section = known
            elif option:
                section.entries += self._find(option, where).entries
        return section

    def _find(self, name: str, where: str) -> Section:
        for section in self.config.sections:
            if section.name.lower() == name.lower():
                return section
        raise DialplanError(f"{where}: there is no section [{name}] to inherit from or to add to")

    def _follow(self, line: str, where: str) -> None:
        directive, argument = line[1:], ""
        if (parts := line[1:].split(maxsplit=1))[1:]:
            directive, argument = parts
        match directive.lower(), _unquoted(argument):
            case (("include" | "tryinclude" | "exec"), ""):
                self.config.remarks.append(f"{where}: #{directive} without a name")
            case "exec", command:
                self.config.remarks.append(f"{where}: #exec {command} is not run: what it adds is not known")
            case ("include" | "tryinclude") as kind, name:
                self._include(name, where, required=kind == "include")
            case _:
                self.config.remarks.append(f"{where}: an unknown directive: #{directive}")

    def _include(self, name: str, where: str, *, required: bool) -> None:
        if self._depth == DEEPEST_INCLUDE:
            raise DialplanError(f"{where}: files include one another more than {DEEPEST_INCLUDE} deep")
        files = list(self._included(name))
        if not files:
            found = self.config.missing if required else self.config.remarks
            found.append(f"{where}: there is no file {name!r} to include")
        self._depth += 1
        for file, contents in files:
            self.read(file, contents)
        self._depth -= 1

    def _add(self, section: Section | None, entry: Entry, where: str) -> None:
        if section is None:
            raise DialplanError(f"{where}: before the first [context]; is it an extensions.conf?")
        if entry.name.endswith("+"):
            self._append(section, entry)
        elif entry.name:
            section.entries.append(entry)

    @staticmethod
    def _append(section: Section, entry: Entry) -> None:
        """Carry out `name += value`: it continues the last line of that name."""
        name = _stripped(entry.name[:-1])
        for index in range(len(section.entries) - 1, -1, -1):
            last = section.entries[index]
            if last.name == name:
                section.entries[index] = Entry(last.file, last.line, name, last.value + entry.value)
                return
        section.entries.append(Entry(entry.file, entry.line, name, entry.value))


class _Comments:
    """Removes `; …` and `;-- … --;`, which may go over many lines and nest, from the lines of one file."""

    def __init__(self) -> None:
        self._depth = 0
        self.opened = 0  # line of the outermost comment that is open
        self.stray: list[int] = []  # lines with a `--;` that closes none

    def remove(self, line: str, number: int) -> str:
        r"""Return what of a line is no comment; `\;` becomes a semicolon.

        A `--;` that closes none makes the depth negative: what follows is ignored up to the next `;--`
        (config_text_file_load).
        """
        kept, start, keeps = "", 0, self._depth == 0
        while (at := line.find(";", start)) >= 0:
            if at > start and line[at - 1] == "\\":
                line = line[: at - 1] + line[at:]
                start = at
            elif line.startswith("--", at + 1) and not line.startswith("-", at + 3):
                kept += line[:at] if keeps else ""
                keeps = False
                self._depth += 1
                self.opened = number if self._depth == 1 else self.opened
                line, start = line[at + 3 :], 0
            elif at >= start + 2 and line[at - 2 : at] == "--":
                kept += line[: at + 1] if keeps else ""
                line, start = line[at + 1 :], 0
                self._close(number)
                keeps = keeps or self._depth == 0
            elif self._depth:
                start = at + 1
            else:
                return kept + line[:at] if keeps else kept
        return kept + line if keeps else kept

    def _close(self, number: int) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.opened = 0
        elif self._depth < 0:
            self.stray.append(number)


def _name_and_value(line: str) -> tuple[str, str]:
    """Return both sides of the `=` or `=>`; without one there is no name, and Asterisk goes on."""
    name, equals, value = line.partition("=")
    return (_stripped(name), _stripped(value.removeprefix(">"))) if equals else ("", "")


def _stripped(text: str) -> str:
    """Return the text without blanks and control characters around it (ast_strip)."""
    return text.strip("".join(map(chr, range(33))))


def _unquoted(name: str) -> str:
    """Return a file name without the quotes or angle brackets around it."""
    name = _stripped(name)
    for opening, closing in ('""', "<>"):
        if len(name) > 1 and name[0] == opening and name[-1] == closing:
            return name[1:-1]
    return name
