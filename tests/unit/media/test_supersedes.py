"""Which events make earlier ones needless."""

import pytest

from stasis_offload.media import events as ev
from stasis_offload.media.machine import supersedes
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from tests.support.leg_reports import sighting
from tests.support.packets import at
from tests.support.placements import next_of, rtcp_of, seen, small_packet, to_port_of

CALLER, CALLEE = Leg.CALLER, Leg.CALLEE
# However many packets wait, what ends or changes a call comes next.
ENDING = (ev.CallEnded(), ev.BridgeChanged(), ev.Blocked(ReasonKind.ENDED))
PACKETS = (
    seen(CALLER),
    next_of(CALLER)[1],
    rtcp_of(CALLER),
    ev.OtherDropped(CALLER, at(1), b""),
    to_port_of(CALLER),
    small_packet(CALLER),
    ev.RtcpSent(CALLER, sighting(CALLER).headers, b""),
)


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (next_of(CALLER)[0], seen(CALLER)),
        (next_of(CALLER, 2)[1], next_of(CALLER, 1)[1]),
        (ev.BridgeRebuilt(), ev.BridgeRebuilt()),
        *((ending, packet) for ending in ENDING for packet in PACKETS),
    ],
)
def test_later_news_of_the_same_thing_make_earlier_ones_needless(newer: ev.Event, older: ev.Event) -> None:
    assert supersedes(newer, older)


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (seen(CALLER), next_of(CALLER)[0]),
        (next_of(CALLER)[0], seen(CALLEE)),
        (next_of(CALLER)[1], seen(CALLER)),
        (next_of(CALLER)[0], ev.PacketObserved(CALLER, sighting(CALLER, ssrc=1))),
        (next_of(CALLER)[0], ev.PacketObserved(CALLER, sighting(CALLER, payload_type=101))),
        (next_of(CALLER)[0], ev.PacketObserved(CALLER, sighting(CALLER, eth_src="02:00:00:00:00:09"))),
        (next_of(CALLER)[0], ev.PacketObserved(CALLER, sighting(CALLER), by_switch=True)),
        (next_of(CALLER)[0], ev.PacketObserved(CALLER, None)),
        (rtcp_of(CALLER), rtcp_of(CALLER)),
        (ev.OtherDropped(CALLER, at(1), b"2"), ev.OtherDropped(CALLER, at(1), b"1")),
        (ev.CallEnded(), ev.CallEnded()),
        (ev.BridgeRebuilt(), ev.BridgeChanged()),
        (ev.BridgeRebuilt(), rtcp_of(CALLER)),
        (ev.CallEnded(), ev.Connected()),
        (ev.Blocked(ReasonKind.ENDED), ev.Connected()),
        (ev.BridgeChanged(), ev.PortDown(at(1))),
    ],
)
def test_what_tells_something_else_is_kept(newer: ev.Event, older: ev.Event) -> None:
    assert not supersedes(newer, older)
