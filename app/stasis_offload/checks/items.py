"""What a check says: one line for a person, one object for a program."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """The result of one check: `text` says what was found; `command` is what to type about it, if anything.

    An item that is `ok` and has a command is a hint: the application works, and something can be better.
    """

    name: str
    ok: bool
    text: str
    command: str = ""

    @property
    def mark(self) -> str:
        """What the line begins with."""
        if not self.ok:
            return "FAILED"
        return "hint" if self.command else "ok"

    @property
    def line(self) -> str:
        """All but the mark."""
        return f"{self.name}: {self.text}" + (f": `{self.command}`" if self.command else "")


def items_as_json(items: Sequence[Item]) -> dict[str, object]:
    """Return what `check --json` prints."""
    rows = [{"name": i.name, "ok": i.ok, "text": i.text, "command": i.command} for i in items]
    return {"ok": all(item.ok for item in items), "items": rows}


def items_from_json(answer: object) -> Iterator[Item]:
    """Parse what `items_as_json` wrote; what is no item is left out."""
    for row in answer.get("items", ()) if isinstance(answer, dict) else ():
        match row:
            case {"name": str(name), "ok": bool(ok), "text": str(text), "command": str(command)}:
                yield Item(name, ok, text, command)
