"""Mistakes of a configuration, each as one line: what is wrong where, what is expected there, what may be meant."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

# Keys that there are no more, and what to write in their place.
_REPLACED = {
    "media.exclude": 'for each endpoint write [[policy]], endpoint = "PJSIP/trunk-a", offload = "never", a line each',
    "media.percentage": 'write [[policy]], offload = "10%", a line each, as the last [[policy]]',
}
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
    key = ".".join(part for part in loc if isinstance(part, str))
    where = _place(loc)
    if key in _REPLACED:
        return f"{where}: a key that there is no more, {_REPLACED[key]}"
    if kind == "extra_forbidden":
        return f"{where}: unknown key{_guess(key, [*expected, *sections])}"
    if key in sections:
        return f"{key}: expected a section [{key}] with keys in it"
    wanted = f"expected {expected[key]}"
    if kind == "missing":
        return f"{where}: missing, {wanted}"
    secret = key in _PASSWORDS or (key == "ari.url" and not re.fullmatch(r"[\w:/.-]*", str(given)))
    return f"{where}: {wanted}" if secret else f"{where}: given {_short(given)}, {wanted}"


def unreachable_rules(content: Mapping[str, object]) -> Iterator[str]:
    """Yield a mistake for each rule of a file's content that is of all calls, and is not the last."""
    rules = content.get("policy")
    for number, rule in enumerate(rules[:-1] if isinstance(rules, list) else (), start=1):
        if isinstance(rule, dict) and rule.keys() <= {"offload"}:
            yield f"policy {number}: expected an endpoint or a context, or to be the last: no rule behind it would ever decide"


def _place(loc: tuple[int | str, ...]) -> str:
    """Return where a mistake is: `media.grace`; of a rule `policy 2` or `policy 2, offload`."""
    match loc:
        case (str(name), int(index), *keys):
            return ", ".join((f"{name} {index + 1}", *map(str, keys)))
        case _:
            return ".".join(map(str, loc))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def _guess(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
