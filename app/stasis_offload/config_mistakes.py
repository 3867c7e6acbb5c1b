"""Mistakes of a configuration, each as one line: what is wrong where, what is expected there, what may be meant."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

# Characters of a wrong value that are shown.
_SHORT = 60
_PASSWORDS = ("ari.password", "hep.capture_password")


def misnamed_variables(keys: Iterable[str], sections: Collection[str], *, prefix: str) -> Iterator[str]:
    """Yield a mistake for each misspelt variable: the settings library ignores a variable without a key.

    A name without a double underscore is ignored unless it equals a key's but for that: others may use our prefix
    (Kubernetes sets NAME_PORT for every service).
    """
    variables = [prefix + key.upper().replace(".", "__") for key in keys]
    for name in sorted(os.environ):
        given = name.upper()
        if not given.startswith(prefix) or given in variables:
            continue
        section, nested, _ = given.removeprefix(prefix).lower().partition("__")
        if nested and section not in sections:
            yield f"{name}: unknown variable{_guess(given, variables)}"
        else:
            meant = [right for right in variables if right.replace("__", "_") == given]
            yield from (f"{name}: unknown variable, did you mean {right}?" for right in meant)


def mistake(
    loc: tuple[int | str, ...],
    kind: str,
    given: object,
    *,
    expected: Mapping[str, str | None],
    sections: Collection[str],
) -> str:
    """Return a mistake as one line, without a value that is or contains a secret; `expected` is what each key wants."""
    key = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_guess(key, [*expected, *sections])}"
    if key in sections:
        return f"{key}: expected a section [{key}] with keys in it"
    wanted = f"expected {expected[key]}"
    if kind == "missing":
        return f"{key}: missing, {wanted}"
    secret = key in _PASSWORDS or (key == "ari.url" and not re.fullmatch(r"[\w:/.-]*", str(given)))
    return f"{key}: {wanted}" if secret else f"{key}: given {_short(given)}, {wanted}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def _guess(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
