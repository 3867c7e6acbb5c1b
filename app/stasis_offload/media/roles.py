"""What each flow is for, and whose it is: the parts of a cookie that the media machine gives meaning to."""

from enum import IntEnum
from hashlib import blake2b

from stasis_offload.media.path import Leg
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, owner_cookie


class Duty(IntEnum):
    """What a flow is for; the table in flows.py."""

    LEARN_IN = 0
    FORWARD = 1
    RTCP = 2
    RTCP_DROP = 3
    GUARD_IN = 4
    GUARD_OUT = 5
    LEARN_OUT = 6
    VERIFY = 7
    SAMPLE = 8
    SMALL = 9
    LARGE = 10
    RTCP_OUT = 11


class Role(IntEnum):
    """The duty of a flow and the leg it is about; the low byte of its cookie."""

    LEARN_IN_CALLER = 1
    LEARN_IN_CALLEE = 2
    FORWARD_CALLER = 3
    FORWARD_CALLEE = 4
    RTCP_CALLER = 5
    RTCP_CALLEE = 6
    RTCP_DROP_CALLER = 7
    RTCP_DROP_CALLEE = 8
    GUARD_IN_CALLER = 9
    GUARD_IN_CALLEE = 10
    GUARD_OUT_CALLER = 11
    GUARD_OUT_CALLEE = 12
    LEARN_OUT_CALLER = 13
    LEARN_OUT_CALLEE = 14
    VERIFY_CALLER = 15
    VERIFY_CALLEE = 16
    SAMPLE_CALLER = 17
    SAMPLE_CALLEE = 18
    SMALL_CALLER = 19
    SMALL_CALLEE = 20
    LARGE_CALLER = 21
    LARGE_CALLEE = 22
    RTCP_OUT_CALLER = 23
    RTCP_OUT_CALLEE = 24

    @classmethod
    def of(cls, duty: Duty, leg: Leg) -> "Role":
        """Return the role of a duty for a leg."""
        return cls(2 * duty + (1 if leg is Leg.CALLER else 2))

    @property
    def leg(self) -> Leg:
        """The leg that the flow is about: it sends what is matched, or Asterisk sends it to the leg."""
        return _LEGS[self]

    @property
    def duty(self) -> Duty:
        """What the flow is for."""
        return _DUTIES[self]

    @property
    def forwards(self) -> bool:
        """Whether the flow carries media past Asterisk."""
        return self.duty is Duty.FORWARD


# Looked up for each packet that the switch shows.
_ROLES = {int(role): role for role in Role}
_LEGS = (Leg.CALLEE, *(Leg.CALLER if role % 2 else Leg.CALLEE for role in Role))
_DUTIES = (Duty.LEARN_IN, *(Duty((role - 1) // 2) for role in Role))

FORWARDING_ROLES = tuple(role for role in Role if role.forwards)
# How many owners there are (owner_of).
OWNERS = 1 << 40


def owner_of(call: str) -> int:
    """Return the owner (40 bits) that a call's flows name; the same call id gives the same owner after a restart."""
    return int.from_bytes(blake2b(call.encode(), digest_size=5).digest(), "big")


def call_cookie(call: str) -> int:
    """Return the cookie of a call with role 0."""
    return owner_cookie(owner_of(call))


def role_of(cookie: int) -> Role | None:
    """Read a flow's role from a cookie of ours; None when the low byte is not a role of this version."""
    return _ROLES.get(cookie & COOKIE_ROLE_MASK)
