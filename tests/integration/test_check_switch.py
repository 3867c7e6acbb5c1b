"""What `check` says of a real Open vSwitch: its abilities, and the flows of other programs."""

import pytest
from pydantic import SecretStr

from stasis_offload.check import Item, run_checks
from stasis_offload.config import AriSettings, AsteriskSettings, Config, OpenFlowSettings
from tests.support.ovs_container import Bridge
from tests.support.switch_events import connected

WIRED = "table 0 says by flows of its own or a controller's where packets go: "
ABOVE = f"{WIRED}2; 1 of them are above ours (priority 40000)"


async def checked(bridge: Bridge) -> dict[str, Item]:
    """Check with nothing there but this bridge."""
    config = Config.model_construct(
        app="offload",
        ari=AriSettings(url="http://127.0.0.1:1", username="offload", password=SecretStr("s3cret")),
        asterisk=AsteriskSettings(),
        openflow=OpenFlowSettings.model_construct(connection=bridge.management),
    )
    return {item.name: item for item in await run_checks(config)}


async def test_a_bridge_as_it_was_made_is_a_learning_switch_that_tells_sizes_apart(bridge: Bridge) -> None:
    async with connected(bridge.management):  # our own flows are not another program's
        items = await checked(bridge)
    found = {name: items[name] for name in ("switch", "openflow", "bundles", "sizes", "tables")}
    assert all(item.ok for item in found.values()), found
    assert found["tables"].text == "table 0 has NORMAL alone: a learning switch"
    assert found["sizes"].text == "told apart: what is smaller than audio is left to Asterisk"


@pytest.mark.parametrize(
    ("flows", "ok", "text"),
    [
        (
            ["in_port=1,actions=output:3", "in_port=3,actions=output:1"],
            True,
            f"{WIRED}2",
        ),
        (["priority=0,actions=output:1"], True, f"{WIRED}1"),
        (["priority=0,udp,actions=NORMAL"], True, f"{WIRED}1"),
        (["priority=0,actions=set_queue:1,NORMAL"], True, f"{WIRED}1"),
        (["priority=0,actions=NORMAL", "priority=50000,arp,actions=NORMAL"], True, ABOVE),
        ([], False, "table 0 is empty: the bridge forwards no packet"),
        (
            [
                "priority=0,actions=NORMAL",
                "table=76,actions=drop",
                "table=77,actions=drop",
                "table=78,arp,actions=drop",
                "table=79,actions=3",
            ],
            False,
            "flows of another program: 1 in table 76, 1 in table 77, 1 in table 78, 1 in table 79;",
        ),
    ],
)
async def test_the_flows_of_other_programs_are_named(
    bridge: Bridge,
    flows: list[str],
    *,
    ok: bool,
    text: str,
) -> None:
    bridge.replace_flows(*flows)
    item = (await checked(bridge))["tables"]
    assert (item.ok, item.text.startswith(text)) == (ok, True), item
