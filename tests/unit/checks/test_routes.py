"""Whether RTP passes the bridge, by the routes of a host as the kernel writes them."""

import pytest

from stasis_offload.checks.routes import Route, judge_routes, parse_ipv4, parse_ipv6

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
# `cat /proc/net/route` of a host with its address on the bridge, and a network for its management beside it.
IPV4 = f"""{HEAD}
breth0\t00000000\t013212C6\t0003\t0\t0\t0\t00000000\t0\t0\t0
breth0\t003212C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
# `cat /proc/net/ipv6_route` of the same: a network, a link, an address of its own, multicast, and none for all others.
IPV6 = """\
fd000198001800500000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 breth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth1
fd000198001800500000000000000012 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001 breth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001 eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
"""


def test_routes_are_those_by_which_rtp_can_leave() -> None:
    assert list(parse_ipv4(IPV4)) == [
        Route("breth0", is_default=True),
        Route("breth0", is_default=False),
        Route("eth1", is_default=False),
    ]
    assert list(parse_ipv6(IPV6)) == [Route("breth0", is_default=False)]
    other = IPV6.replace("00200200       lo", "00200200 lo").replace("00200200 lo", "00000003 breth0")
    assert list(parse_ipv6(other))[-1] == Route("breth0", is_default=True)


def test_a_host_that_sends_by_the_bridge_is_fine() -> None:
    item = judge_routes(list(parse_ipv4(IPV4)), {"breth0"}, bridge="breth0")
    assert (item.mark, item.text) == ("ok", "this host sends by breth0: RTP passes the bridge")


def test_an_address_that_is_still_on_the_card_fails() -> None:
    item = judge_routes(list(parse_ipv4(IPV4.replace("breth0", "eth0"))), set(), bridge="breth0")
    assert not item.ok
    assert item.text == (
        "RTP does not pass the bridge: breth0 has no address with a route, this host sends by eth0, eth1; move its address"
        " and routes to breth0"
    )
    assert item.command == "ip address show dev breth0"


@pytest.mark.parametrize("through", ["breth0", "breth0.7"], ids=["the bridge", "a VLAN of it"])
def test_a_default_route_beside_the_bridge_is_a_hint(through: str) -> None:
    routes = [Route("eth0", is_default=True), Route(through, is_default=False)]
    item = judge_routes(routes, {through}, bridge="breth0")
    assert (item.mark, item.command) == ("hint", "ip route get ADDRESS-OF-A-PHONE")
    assert item.text.startswith("the default route is by eth0, not by breth0: ")
