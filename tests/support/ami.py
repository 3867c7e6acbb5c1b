"""Actions of another program that controls node 2 by AMI (lab/asterisk2/manager.conf)."""

from lab import control
from lab.control import LabError

# Of the login and of the action.
SUCCESSES = 2


def ami(**fields: str) -> str:
    """Send one AMI action to node 2 and return what Asterisk answers."""
    login = {"Action": "Login", "Username": "lab", "Secret": "lab-only", "Events": "off"}
    actions = "".join(
        "".join(f"{name}: {value}\r\n" for name, value in action.items()) + "\r\n"
        for action in (login, fields, {"Action": "Logoff"})
    )
    script = 'exec 3<>/dev/tcp/127.0.0.1/5038 && printf %s "$1" >&3 && cat <&3'
    answer = control.execute("asterisk2", "bash", "-c", script, "bash", actions)
    if answer.count("Response: Success") != SUCCESSES:
        raise LabError(f"AMI: {answer}")
    return answer


def redirect(first: str, second: str | None = None, *, to: str = "room") -> None:
    """Send one or two channels to an extension of [from-asterisk1]."""
    place = {"Context": "from-asterisk1", "Exten": to, "Priority": "1"}
    extra = {f"Extra{name}": value for name, value in {"Channel": second, **place}.items()} if second else {}
    ami(Action="Redirect", Channel=first, **place, **extra)
