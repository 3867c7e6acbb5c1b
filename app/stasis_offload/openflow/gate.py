"""The gate: the flows of table 0 that lead UDP to our table, as long as this process renews their lease.

When the process dies the lease ends, and no packet reaches our flows any more: every packet goes the bridge's own way.
So one lease is renewed for all flows there are, every 2 s, and by an action that changes no table: each change of a flow
costs Open vSwitch a new translation of every datapath flow (udpif_revalidator in ofproto/ofproto-dpif-upcall.c).
The flows of the gate have a long timeout, and are added again together with other changes.

A lease is also how an application that begins knows that another one is alive: the cookie of a gate names whose it is.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import encode, flowmod
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, GATE_ROLE, owner_in
from stasis_offload.openflow.instance import INSTANCES, Instance

# Seconds. An endpoint's rtp_timeout is at least 10 s (eligibility.py), and the last sign of life before our death up
# to a third of that old.
LEASE = 6
RENEW_EVERY = 2.0
# Seconds until nothing of the gate of a dead process is left in the switch.
LIFETIME = 60

Contents = Mapping[int, Sequence[bytes]]
"""The contents (`flowmod.content`, which begins with the table) of the flows of a switch, by cookie."""

# Seconds. Whoever deleted our gate has opened one of its own by then, if it is another application.
OTHER_OPENS_WITHIN = 1.0

# Of the owner in a gate's cookie, so many bits are its own, and the rest say of which application it is.
_OWN_BITS = 16
APPLICATIONS = 1 << 40 - _OWN_BITS
# How many flows a gate has, with the lease (flowmod.gate, flowmod.lease).
FLOWS = 7


class Gate:
    """The gate of connections between which it stays. Each has a cookie of its own: a late report names an earlier one.

    `leased_until` is until when at least the lease lasts, by the event loop's clock.
    """

    def __init__(self, instance: Instance, application: int) -> None:
        self._instance = instance
        self.cookie = instance.cookie(application << _OWN_BITS | secrets.randbits(_OWN_BITS)) | GATE_ROLE
        self.leased_until = 0.0

    async def open(self, channel: Channel) -> None:
        """Open the gate, or let it stay for another LIFETIME, and renew its lease.

        Raises as `Channel.send_and_confirm`.
        """
        xid = channel.new_xid()
        message = encode.gate(xid, self._instance, cookie=self.cookie, hard_timeout=LIFETIME)
        await channel.send_and_confirm(xid, message)
        await self.renew(channel)

    async def renew(self, channel: Channel) -> None:
        """Begin or restart the lease.

        Raises as `Channel.send_and_confirm`.
        """
        leased_until = asyncio.get_running_loop().time() + LEASE
        xid = channel.new_xid()
        message = encode.lease(xid, self._instance, cookie=self.cookie, hard_timeout=LEASE)
        await channel.send_and_confirm(xid, message)
        self.leased_until = leased_until

    def is_open(self, found: Contents) -> bool:
        """Return whether the gate is among these flows of a switch, whole, and with its lease."""
        return len(found.get(self.cookie, ())) == FLOWS


class Gates:
    """The gates of this process: the present one, if there is one, and those before, which a switch may restore.

    `application` (0 to APPLICATIONS - 1) says whose they are: of one that dies and begins again it is the same. `bridge` is
    the name of what we are connected to.
    """

    def __init__(self, instance: Instance, application: int) -> None:
        self.gate: Gate | None = None
        self.bridge = ""
        self._instance = instance
        self._application = application
        self._cookies: set[int] = set()

    def begin(self) -> Gate:
        """Begin a gate in place of those before."""
        self.gate = Gate(self._instance, self._application)
        self._cookies.add(self.gate.cookie)
        return self.gate

    @property
    def present(self) -> frozenset[int]:
        """The cookie of the present gate, if there is one."""
        return frozenset({self.gate.cookie} if self.gate else ())

    def earlier(self, found: Contents) -> frozenset[int]:
        """Return the cookies of those before that are among the flows of a switch."""
        return frozenset(found.keys() & self._cookies - self.present)

    def refuse_other(self, found: Contents) -> None:
        """Raise InstanceInUseError if another application's gate is among the flows of a switch and has its lease.

        A lease that is not renewed ends. A process that begins takes the bridge from its predecessor at once, whose lease
        may still last.
        """
        others = {cookie for cookie in found if cookie & COOKIE_ROLE_MASK == GATE_ROLE} - self._cookies
        if not self._cookies:
            others = {cookie for cookie in others if application_of(cookie) != self._application}
        if instances_in_use({cookie: found[cookie] for cookie in others}):
            raise InstanceInUseError(self._instance, self.bridge)


def application_of(cookie: int) -> int:
    """Return which application's a gate with this cookie is."""
    return owner_in(cookie) >> _OWN_BITS


class InstanceInUseError(OpenFlowError):
    """Another application is this instance."""

    def __init__(self, instance: Instance, bridge: str) -> None:
        super().__init__(
            f"another application is instance {instance.number} of bridge {bridge}: set openflow.instance of one of"
            f" the two to a number that none there has, 0 to {INSTANCES - 1}"
        )


def instances_in_use(found: Contents) -> frozenset[int]:
    """Return the instances whose gate has its lease, by the flows of a switch."""
    tables = {
        flowmod.leased_table(content)
        for cookie, contents in found.items()
        if cookie & COOKIE_ROLE_MASK == GATE_ROLE
        for content in contents
    }
    return frozenset(Instance.of_table(table).number for table in tables if table is not None)
