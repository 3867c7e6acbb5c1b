"""The gate: the flows of table 0 that lead UDP to our table, as long as this process renews their lease.

When the process dies the lease ends, and no packet reaches our flows any more: every packet goes the bridge's own way.
So one lease is renewed for all flows there are, every 2 s, and by an action that changes no table: each change of a flow
costs Open vSwitch a new translation of every datapath flow (udpif_revalidator in ofproto/ofproto-dpif-upcall.c).
The flows of the gate have a long timeout, and are added again together with other changes.
"""

import secrets
from collections.abc import Container

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.describe import read_flows
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, LEASE_TABLE, is_ours, owner_cookie

# Above what people type by hand (32768 is the default of ovs-ofctl).
PRIORITY = 40_000
# Seconds. An endpoint's rtp_timeout is at least 10 s (eligibility.py), and the last sign of life before our death up
# to a third of that old.
LEASE = 6
RENEW_EVERY = 2.0
# Seconds until nothing of the gate of a dead process is left in the switch.
LIFETIME = 60

# Seconds. Whoever deleted our gate has opened one of its own by then, if it is another application.
OTHER_OPENS_WITHIN = 1.0

_ROLE = 0xFF


class Gate:
    """The gate of one connection. Its cookie is new each time: a late report names a gate of an earlier connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.cookie = owner_cookie(secrets.randbits(40)) | _ROLE

    async def open(self) -> None:
        """Open the gate, or let it stay for another LIFETIME, and renew its lease.

        Raises as `Channel.send_and_confirm`.
        """
        xid = self._channel.new_xid()
        message = encode.gate(xid, cookie=self.cookie, priority=PRIORITY, hard_timeout=LIFETIME)
        await self._channel.send_and_confirm(xid, message)
        await self.renew()

    async def renew(self) -> None:
        """Begin or restart the lease.

        Raises as `Channel.send_and_confirm`.
        """
        xid = self._channel.new_xid()
        message = encode.lease(xid, cookie=self.cookie, hard_timeout=LEASE)
        await self._channel.send_and_confirm(xid, message)

    @staticmethod
    async def refuse_other(channel: Channel, own: Container[int]) -> None:
        """Raise OpenFlowError if another application has a gate; those with the cookies `own` are earlier ones of ours.

        A lease that is not renewed ends. Raises also as `Channel.request`.
        """
        for flow in await read_flows(channel, table=LEASE_TABLE):
            if is_ours(flow.cookie) and flow.cookie & COOKIE_ROLE_MASK == _ROLE and flow.cookie not in own:
                raise OpenFlowError("another stasis-offload uses this bridge: one of the two has to stop")
