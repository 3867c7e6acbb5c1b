"""What an operator does to a real Open vSwitch beside us is noticed at once, and what is the bridge's own stays as it was."""

import asyncio
import struct
from collections.abc import Callable

import pytest

from stasis_offload.media.flows import forwarding_flows
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.endpoint import LOOPBACK
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from tests.support.dummy_ports import delivered, plugged
from tests.support.many_calls import LIMITS, flows_of
from tests.support.ovs_container import Bridge
from tests.support.packets import CALLEE, CALLER, PATH, frame, internet_checksum, sent_by, sent_to
from tests.support.switch_events import SECONDS, connected


def _set_fail_mode(bridge: Bridge) -> None:
    bridge.ovs.vsctl("set-fail-mode", bridge.name, "secure")


def _set_controller(bridge: Bridge) -> None:
    bridge.ovs.vsctl("set-controller", bridge.name, f"tcp:{LOOPBACK}:9")


def _delete_everything(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")


@pytest.mark.parametrize("flush", [_set_fail_mode, _set_controller, _delete_everything])
async def test_whoever_flushes_the_bridge_is_noticed_at_once_and_all_begins_anew(
    bridge: Bridge, flush: Callable[[Bridge], None]
) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        flushed = asyncio.create_task(asyncio.to_thread(flush, bridge))
        async with asyncio.timeout(SECONDS):
            assert "deleted: by another program" in (await events.next(SwitchDown)).reason
            assert not (await events.next(SwitchUp)).kept
        await flushed
        assert bridge.cookies() == set()
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


@pytest.mark.parametrize("mode", ["normal", "drop", "nx-match"])
async def test_how_the_bridge_handles_fragments_stays_as_it_is(bridge: Bridge, mode: str) -> None:
    bridge.ofctl("set-frags", mode)
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert f"frags={mode}" in bridge.ofctl("show")


# Of an Ethernet frame with IPv4 (RFC 791, 3.1).
_IP, _PAYLOAD = 14, 34
_MORE = 0x2000


def fragment(whole: bytes, offset: int, end: int, *, more: bool) -> bytes:
    """Return the part of a frame's IPv4 payload between two offsets, which are multiples of 8, as a fragment."""
    payload = whole[_PAYLOAD + offset : _PAYLOAD + end]
    header = bytearray(whole[_IP:_PAYLOAD])
    struct.pack_into("!H", header, 2, len(header) + len(payload))
    struct.pack_into("!H", header, 6, more * _MORE | offset // 8)
    struct.pack_into("!H", header, 10, 0)
    struct.pack_into("!H", header, 10, internet_checksum(bytes(header)))
    return whole[:_IP] + bytes(header) + payload


async def test_fragments_of_a_forwarded_stream_go_to_asterisk_as_they_came(bridge: Bridge) -> None:
    whole = frame(sent_by(CALLER))
    parts = [fragment(whole, 0, 96, more=True), fragment(whole, 96, len(whole), more=False)]
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        assert await delivered(wires, 0, whole) == ([], [frame(sent_to(CALLEE, sent_by(CALLER)))], [])
        for part in parts:
            assert await delivered(wires, 0, part) == ([], [], [part])
        # In this mode the flow takes the first alone, and nobody gets a whole packet: `check` says so.
        bridge.ofctl("set-frags", "nx-match")
        bridge.forget_datapath()
        (_, [forwarded], _), last = [await delivered(wires, 0, part) for part in parts]
        assert len(forwarded) == len(parts[0])
        assert last == ([], [], [parts[1]])
