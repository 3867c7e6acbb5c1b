"""The user whose rights matter: whom the service runs as. Root may open every socket, the service may not."""

import grp
import os
import pwd
import subprocess
from dataclasses import dataclass

from stasis_offload.checks.items import Item
from stasis_offload.errors import ConfigError

# As systemd/stasis-offload.service has it.
_DEFAULT = "offload"
_UNIT = "stasis-offload.service"
_KEYS = ("User", "Group", "SupplementaryGroups")
# Seconds; systemd answers at once.
_ANSWERED_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user and all groups that its processes are in, the first of them its own."""

    uid: int
    groups: tuple[int, ...]

    def __str__(self) -> str:
        """As `id` shows it, without numbers where there are names."""
        return f"{user_name(self.uid)} (groups {', '.join(sorted(set(map(group_name, self.groups))))})"


def current() -> Account:
    """Return whose rights this process has."""
    return Account(os.geteuid(), (os.getegid(), *os.getgroups()))


def user_name(uid: int) -> str:
    """Return the name of a user; its number where it has none, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group; its number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def service_account(name: str | None, *, unit: str = _UNIT) -> Account | None:
    """Return whom the service runs as: the user of this name, else the unit's, else `offload`; None if there is none.

    Raises:
        ConfigError: there is no user of the name that was given, or that the unit has.

    """
    shown = {} if name else _shown(unit)
    wanted = name or shown.get("User")
    try:
        user = pwd.getpwnam(wanted or _DEFAULT)
        group = grp.getgrnam(shown["Group"]).gr_gid if shown.get("Group") else user.pw_gid
        more = [grp.getgrnam(each).gr_gid for each in shown.get("SupplementaryGroups", "").split()]
    except KeyError as error:
        if not wanted:
            return None
        hint = "" if name else "; `stasis-offload setup` makes the user"
        raise ConfigError(f"user {wanted!r}: {error.args[0]}{hint}") from error
    return Account(user.pw_uid, (group, *os.getgrouplist(user.pw_name, group), *more))


def _shown(unit: str) -> dict[str, str]:
    """Return what systemd says of a unit's user; nothing without systemd or such a unit."""
    command = ["systemctl", "show", *(f"--property={key}" for key in _KEYS), unit]
    try:
        done = subprocess.run(  # noqa: S603 - of constants
            command, capture_output=True, text=True, check=False, timeout=_ANSWERED_WITHIN
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in rows if key in _KEYS and value}


def become(service: Account | None) -> Item:
    """Give up root's rights for those of the service's user, for good; say whose rights are judged."""
    ours = current()
    if service is not None and ours.uid == 0 and service.uid != 0:
        try:
            os.setgroups(sorted(set(service.groups)))
            os.setgid(service.groups[0])
            os.setuid(service.uid)
        except OSError as error:
            text = f"root, who may open every socket; cannot become {service}: {error.strerror}"
            return Item("user", ok=False, text=text)
        return Item("user", ok=True, text=f"{service}, whom the service runs as; started by root")
    if service is not None and ours.uid == service.uid:
        return Item("user", ok=True, text=f"{ours}, whom the service runs as")
    if service is not None:
        text = f"{ours}, not {service}, whom the service runs as: the rights below are not its own; run by root, check looks with those"
        return Item("user", ok=True, text=text, command="stasis-offload check")
    if ours.uid == 0:
        text = f"root, who may open every socket; there is no {_UNIT} and no user {_DEFAULT}: name the service's user"
        return Item("user", ok=True, text=text, command="stasis-offload check --user NAME")
    return Item("user", ok=True, text=f"{ours}; there is no {_UNIT} and no user {_DEFAULT} to compare with")
