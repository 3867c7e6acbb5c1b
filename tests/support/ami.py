"""Actions of another program that controls node 2 by AMI (lab/asterisk2/manager.conf)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab import control
from lab.control import LabError, wait_until

# Of the login and of the action.
SUCCESSES = 2
_LOGIN = {"Action": "Login", "Username": "lab", "Secret": "lab-only"}
_CONNECT = 'exec 3<>/dev/tcp/127.0.0.1/5038 && printf %s "$1" >&3'
# An event of ours, the last of a conversation.
_OVER = "UserEvent: over"


def ami(**fields: str) -> str:
    """Send one AMI action to node 2 and return what Asterisk answers."""
    actions = "".join(map(_action, ({**_LOGIN, "Events": "off"}, fields, {"Action": "Logoff"})))
    answer = control.execute("asterisk2", "bash", "-c", f"{_CONNECT} && cat <&3", "bash", actions)
    if answer.count("Response: Success") != SUCCESSES:
        raise LabError(f"AMI: {answer}")
    return answer


@contextmanager
def ami_events() -> Iterator[Callable[[], list[dict[str, str]]]]:
    """Receive the events of calls; yields what returns those so far."""
    script = f'{_CONNECT} && sed -u "/^{_OVER}/q" <&3'
    with control.running("asterisk2", "bash", "-c", script, "bash", _action(_LOGIN)) as output:

        def so_far() -> list[dict[str, str]]:
            parts = (part.split("\r\n") for part in output().split("\r\n\r\n")[:-1])
            return [dict(line.split(": ", 1) for line in lines if ": " in line) for lines in parts]

        try:
            wait_until(lambda: "Response: Success" in output(), within=5, what="AMI")
            yield so_far
        finally:
            ami(Action="UserEvent", UserEvent="over")


def _action(fields: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"


def redirect(first: str, second: str | None = None, *, to: str = "room") -> None:
    """Send one or two channels to an extension of [from-asterisk1]."""
    place = {"Context": "from-asterisk1", "Exten": to, "Priority": "1"}
    extra = {f"Extra{name}": value for name, value in {"Channel": second, **place}.items()} if second else {}
    ami(Action="Redirect", Channel=first, **place, **extra)
