"""What becomes of packets that no flow takes, at a switch that has nobody else to say so: at each connection, before all else.

A bridge that dials a controller loses the flow by which it forwarded (NORMAL for every packet), and has none again when it has
restarted, or was given its first controller or another fail_mode (bridge_configure_remotes in vswitchd/bridge.c). With
fail_mode=standalone it forwards while it reaches no controller (ofproto/fail-open.c), and stops when it does.
"""

from stasis_offload.openflow import encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.describe import read_flows
from stasis_offload.openflow.flow import is_ours


async def add_table_miss(channel: Channel) -> bool:
    """Add NORMAL for every packet, at the least priority, if table 0 has no flow but ours; return whether it was added.

    It has no cookie of ours and stays, for without it the network behind the switch is cut off; it is what an operator or a
    controller would add, and theirs replaces it.

    Raises as `Channel.request`.
    """
    if any(not is_ours(flow.cookie) for flow in await read_flows(channel, table=0)):
        return False
    xid = channel.new_xid()
    await channel.send_and_confirm(xid, encode.table_miss(xid))
    return True
