"""For how many calls the switch's tables have room."""

from collections import Counter
from collections.abc import Collection

from stasis_offload.checks.items import Item
from stasis_offload.media.flows import MOST_FLOWS
from stasis_offload.openflow.events import SeenFlow, SwitchDescription
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.room import capacity_of, limits_of

# What Open vSwitch tells of a table without a flow_limit (query_tables in ofproto/ofproto.c).
_UNLIMITED = 1_000_000


def judge_room(switch: SwitchDescription, flows: Collection[SeenFlow], instance: Instance) -> Item:
    """Judge how many calls fit, beside the flows of others that are there."""
    others = Counter(flow.table for flow in flows if not instance.owns(flow.cookie))
    limits = limits_of(switch.most, others, instance)
    if not limits:
        return Item("room", ok=True, text="the switch does not say how many flows its tables take")
    command = "ovs-vsctl list Flow_Table"
    needs = {instance.table(place): need for place, need in MOST_FLOWS.items()}
    closed = [table for table, limit in limits.items() if limit < 0]
    full = (
        closed[0] if closed else min(limits.keys() & needs, key=lambda table: limits[table] // needs[table])
    )
    takes = f"table {full} takes {switch.most[full]:,} flows"
    if others[full]:
        takes += f", of which others have {others[full]:,}"
    if closed:
        return Item("room", ok=False, text=f"not for the flows that lead to ours: {takes}", command=command)
    calls = capacity_of(limits, MOST_FLOWS, instance)
    if not calls:
        return Item(
            "room", ok=False, text=f"for no call: {takes}, and a call needs {needs[full]}", command=command
        )
    text = f"for {calls:,} calls: {takes}, and a call needs up to {needs[full]}"
    if switch.most[full] >= _UNLIMITED:
        return Item("room", ok=True, text=text)
    text += "; the others stay with Asterisk, if the table's overflow_policy is refuse: evict would take flows from calls that are in"
    return Item("room", ok=True, text=text, command=command)
