"""Shows packets that are forwarded: for a moment, of many owners at once.

Each change of a flow makes Open vSwitch translate every flow of its datapath again (udpif_revalidator in
ofproto/ofproto-dpif-upcall.c). So what is to be shown is collected, and is two changes for all owners together; a
forwarding flow itself is never changed for it.
"""

import asyncio
from collections.abc import Iterable, Sequence

from stasis_offload.openflow import encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.flow import COOKIE_OWNER_MASK, Flow
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.instance import Instance

# Seconds for which packets are shown: ten of the usual ones.
WINDOW = 0.2


class Sampler:
    """What is to be shown of the packets that the switch forwards."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._requested: dict[int, dict[int, Flow]] = {}

    def request(self, flows: Iterable[Flow]) -> None:
        """Have these flows, which are of SAMPLE_TABLE, in the switch during the next window."""
        for flow in self._instance.placed(flows):
            self._requested.setdefault(flow.cookie & COOKIE_OWNER_MASK, {})[flow.cookie] = flow

    def forget(self, owner: int) -> None:
        """Show no packets of the owner with this cookie, who has ended."""
        self._requested.pop(owner, None)

    async def show(self, channel: Channel) -> None:
        """Add the flows that were requested, and remove them after the window. A flow that is refused shows nothing.

        Raises as `Channel.send_and_confirm_each`.
        """
        flows = tuple(flow for each in self._requested.values() for flow in each.values())
        self._requested = {}
        if not flows:
            return
        await _change(channel, add=flows)
        await asyncio.sleep(WINDOW)
        await _change(channel, remove=[Cookies(flow.cookie) for flow in flows])


async def _change(channel: Channel, *, add: Sequence[Flow] = (), remove: Sequence[Cookies] = ()) -> None:
    bundle, xid = channel.new_xid(), channel.new_xid()
    staged = encode.stage_bundle(bundle, remove=remove, add=add)
    await channel.send_and_confirm_each((bundle, staged), (xid, encode.commit_bundle(xid, bundle)))
