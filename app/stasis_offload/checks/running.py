"""What the running application says of itself, and what it means that there is none."""

from dataclasses import dataclass

from stasis_offload.checks.items import Item

_START = "systemctl start stasis-offload"


@dataclass(frozen=True, slots=True)
class Running:
    """The application as its HTTP interface shows it.

    `problems` are what /healthz names, None if it did not answer, for the reason `silence`. With `expected` False nothing is
    started yet, and whatever only a running one has is not missing. `switch` is what it says of a switch that has dialled it,
    which nobody else can ask.
    """

    problems: tuple[str, ...] | None = None
    silence: str = ""
    expected: bool = True
    switch: tuple[Item, ...] = ()


def judge_health(running: Running) -> tuple[Item, ...]:
    """Return its problems; they come first, because it knows what no look from outside finds."""
    if running.problems is None:
        if running.expected:
            return (Item("health", ok=False, text=running.silence, command=_START),)
        return (Item("health", ok=True, text=f"not yet: {running.silence}"),)
    if not running.problems:
        return (Item("health", ok=True, text="the running application has no problem"),)
    return tuple(Item("health", ok=False, text=problem) for problem in running.problems)


def judge_application(app: str, running: Running, *, registered: bool) -> tuple[Item, ...]:
    """Judge whether the Stasis application is registered, if that is not said already."""
    if registered:
        text = f"Stasis({app}) is registered"
        if running.problems is None:
            text += ", perhaps by a program that has ended: Asterisk keeps it"
        return (Item("application", ok=True, text=text),)
    if running.problems is None:
        text = f"not yet: no program has registered Stasis({app}); until then Dial() makes the calls"
        return () if running.expected else (Item("application", ok=True, text=text),)
    if running.problems:
        return ()
    text = (
        f"no program has registered Stasis({app}), although the application runs and has no problem: is that the Asterisk"
        " and the `app` of its configuration?"
    )
    return (Item("application", ok=False, text=text, command="systemctl restart stasis-offload"),)
