"""Our flows on bridges that are more than a learning switch: each packet as without us, or as if Asterisk had sent it.

Each test first sends every packet through the bridge's own table alone, and then compares.
"""

from dataclasses import dataclass, replace

import pytest

from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
)
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.flow import Flow
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram
from tests.support.dummy_ports import PROBES, Wire, delivered, plugged, sent_until_now
from tests.support.ovs_container import Bridge
from tests.support.packets import CALLEE, CALLER, PATH, frame, sent_by, sent_to, split
from tests.support.switch_events import connected

# Indices of wires: the caller is at port 1, the callee at 2, Asterisk at 3.
AT_CALLER, AT_CALLEE, AT_ASTERISK = 0, 1, 2

WIRING = (
    "priority=100,in_port=1,actions=output:3,output:2",  # port 2 is a recorder's too
    "priority=100,in_port=2,actions=output:3",
    "priority=100,in_port=3,ip,nw_dst=198.18.0.10,actions=output:1",
    "priority=100,in_port=3,ip,nw_dst=198.18.1.20,actions=output:2",
)
NORMAL = "priority=0,actions=NORMAL"
SITES = {
    "static wiring": WIRING,
    "a ban of a party": ("priority=200,udp,nw_src=198.18.0.10,actions=drop", NORMAL),
    "a ban of what is no party's": ("priority=200,udp,tp_src=4444,actions=drop", NORMAL),
    "a ban of what Asterisk sends": ("priority=200,in_port=3,udp,nw_dst=198.18.1.20,actions=drop", NORMAL),
    "a ban of media to a party, by wiring": (
        "priority=200,in_port=3,udp,nw_dst=198.18.0.10,tp_dst=4000,actions=drop",
        *WIRING,
    ),
    "marks on what Asterisk sends": (
        "priority=200,in_port=3,udp,actions=set_field:34->ip_dscp,set_queue:1,NORMAL",
        NORMAL,
    ),
    "marks on what comes in": ("priority=200,in_port=1,udp,actions=set_field:10->ip_dscp,NORMAL", NORMAL),
    "several tables": (
        "table=0,in_port=3,actions=set_field:5->reg0,goto_table:10",
        "table=0,priority=0,actions=goto_table:10",
        "table=10,priority=200,udp,tp_dst=10003,actions=drop",
        "table=10,reg0=5,udp,actions=set_field:46->ip_dscp,goto_table:20",
        "table=10,priority=0,actions=goto_table:20",
        "table=20,reg0=5,ip,nw_dst=198.18.0.10,actions=output:1",
        "table=20,reg0=5,ip,nw_dst=198.18.1.20,actions=output:2",
        "table=20,reg0=0,actions=output:3",
    ),
    "registers, of ours too, and metadata": (
        "table=0,in_port=3,actions=set_field:5->metadata,set_field:5->reg15,goto_table:10",
        "table=0,priority=0,actions=set_field:1->metadata,set_field:1->reg15,goto_table:10",
        "table=10,priority=200,metadata=1,reg15=1,udp,tp_src=4444,actions=drop",
        "table=10,reg15=5,metadata=5,ip,nw_dst=198.18.0.10,actions=output:1",
        "table=10,reg15=5,metadata=5,ip,nw_dst=198.18.1.20,actions=output:2",
        "table=10,metadata=1,reg15=1,actions=output:3",
    ),
    "a firewall with state, that lets in what answers Asterisk": (
        "table=0,priority=100,udp,ct_state=-trk,actions=ct(table=1)",
        "table=1,priority=100,in_port=3,udp,actions=ct(commit),NORMAL",
        "table=1,priority=100,udp,ct_state=+est,actions=NORMAL",
        NORMAL,
    ),
    "an action set": (
        "table=0,in_port=3,ip,nw_dst=198.18.0.10,actions=write_actions(output:1)",
        "table=0,in_port=3,ip,nw_dst=198.18.1.20,actions=write_actions(output:2)",
        "table=0,priority=0,actions=write_actions(output:3),goto_table:10",
        "table=10,priority=200,udp,tp_dst=10000,actions=clear_actions",
        "table=10,priority=0,actions=drop",
    ),
}


@dataclass(frozen=True)
class Sent:
    """A packet that is sent into the port with this index."""

    at: int
    packet: Datagram


def above(packet: Datagram) -> Datagram:
    """Return a packet between the ports above: RTCP instead of RTP."""
    return replace(
        packet,
        source=replace(packet.source, port=packet.source.port + 1),
        destination=replace(packet.destination, port=packet.destination.port + 1),
    )


AUDIO = {"caller": Sent(AT_CALLER, sent_by(CALLER)), "callee": Sent(AT_CALLEE, sent_by(CALLEE))}
# What Asterisk would make of the audio of each leg: to the other, one hop older.
AS_ASTERISK = {
    "caller": Sent(AT_ASTERISK, sent_to(CALLEE, sent_by(CALLER))),
    "callee": Sent(AT_ASTERISK, sent_to(CALLER, sent_by(CALLEE))),
}
RTCP = {leg: Sent(sent.at, above(sent.packet)) for leg, sent in AUDIO.items()}
RTCP_AS_ASTERISK = {leg: Sent(sent.at, above(sent.packet)) for leg, sent in AS_ASTERISK.items()}
DIGITS = [Sent(sent.at, replace(sent.packet, payload=sent.packet.payload[:16])) for sent in AUDIO.values()]
STRAYS = [
    Sent(sent.at, replace(sent.packet, source=Address(sent.packet.source.host, 4444)))
    for sent in AUDIO.values()
]
OTHERS = [
    Sent(sent.at, replace(sent.packet, destination=Address(sent.packet.destination.host, 5060)))
    for sent in (*AUDIO.values(), *AS_ASTERISK.values())
]
ALL = (
    *AUDIO.values(),
    *AS_ASTERISK.values(),
    *RTCP.values(),
    *RTCP_AS_ASTERISK.values(),
    *DIGITS,
    *STRAYS,
    *OTHERS,
)

Outcome = tuple[list[bytes], ...]


async def outcome(wires: tuple[Wire, ...], sent: Sent) -> Outcome:
    return await delivered(wires, sent.at, frame(sent.packet))


async def without_us(bridge: Bridge, site: tuple[str, ...], wires: tuple[Wire, ...]) -> dict[Sent, Outcome]:
    """Give the bridge the site's table, and return what becomes of each packet in it."""
    bridge.replace_flows(PROBES, *site)
    for sent in ALL:  # once before, for a table that knows connections
        await outcome(wires, sent)
    return {sent: await outcome(wires, sent) for sent in ALL}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES.keys())
async def test_while_a_call_is_learned_every_packet_goes_as_without_us(
    bridge: Bridge, site: tuple[str, ...]
) -> None:
    flows = (
        flow
        for leg, attachment in ((leg, PATH.attachment(leg)) for leg in Leg)
        for flow in learning_flows("call", leg, remote=attachment.remote, local=attachment.local)
    )
    async with plugged(bridge.sockets) as wires:
        alone = await without_us(bridge, site, wires)
        assert await becomes(bridge, wires, tuple(flows)) == alone


@pytest.mark.parametrize("site", SITES.values(), ids=SITES.keys())
async def test_what_is_forwarded_goes_as_if_asterisk_had_sent_it_and_all_else_as_without_us(
    bridge: Bridge, site: tuple[str, ...]
) -> None:
    path = split(PATH)
    flows = (
        *forwarding_flows("call", path, FlowLimits(idle_timeout=60)),
        *rtcp_flows("call", path),
        *inbound_guards("call", path),
        *outbound_guards("call", path),
    )
    async with plugged(bridge.sockets) as wires:
        alone = await without_us(bridge, site, wires)
        expected = dict(alone)
        for leg, sent in AUDIO.items():
            expected[sent] = alone[AS_ASTERISK[leg]]
        for sent in RTCP_AS_ASTERISK.values():
            expected[sent] = tuple([] for _ in wires)  # Asterisk's own reports are dropped
        assert await becomes(bridge, wires, flows) == expected
        # So it is between other applications.
        async with connected(bridge.management, instance=0), connected(bridge.management, instance=7):
            assert await becomes(bridge, wires, flows, instance=4) == expected


async def test_a_rule_above_ours_takes_the_packets_of_a_call_at_once_and_gives_them_back(
    bridge: Bridge,
) -> None:
    ban = "cookie=0x5,priority=50000,udp,nw_src=198.18.0.10,actions=drop"
    spoken, heard = frame(AUDIO["caller"].packet), frame(AS_ASTERISK["caller"].packet)
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(
            owner_of("call"), forwarding_flows("call", PATH, FlowLimits(idle_timeout=60))
        )
        assert await delivered(wires, AT_CALLER, spoken) == ([], [heard], [])
        bridge.ofctl("add-flow", ban)
        bridge.forget_datapath()
        assert await delivered(wires, AT_CALLER, spoken) == ([], [], [])
        bridge.ofctl("del-flows", "cookie=0x5/-1")
        bridge.forget_datapath()
        assert await delivered(wires, AT_CALLER, spoken) == ([], [heard], [])


@pytest.mark.parametrize("site", SITES.values(), ids=SITES.keys())
async def test_what_we_send_in_asterisks_name_goes_as_if_asterisk_had_sent_it(
    bridge: Bridge, site: tuple[str, ...]
) -> None:
    async with plugged(bridge.sockets) as wires:
        alone = await without_us(bridge, site, wires)
        async with connected(bridge.management) as (switch, _):
            await switch.flow_table.set_flows(owner_of("call"), rtcp_flows("call", PATH))
            for sent in RTCP_AS_ASTERISK.values():
                switch.flow_table.inject(sent.at + 1, frame(sent.packet))
                await switch.probe()
                assert await sent_until_now(wires, sent.at) == alone[sent]


async def becomes(
    bridge: Bridge, wires: tuple[Wire, ...], flows: tuple[Flow, ...], *, instance: int = 0
) -> dict[Sent, Outcome]:
    """Return what becomes of each packet while the switch has these flows of ours."""
    async with connected(bridge.management, instance=instance) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows)
        bridge.forget_datapath()
        return {sent: await outcome(wires, sent) for sent in ALL}
