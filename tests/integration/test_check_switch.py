"""What `check` says of a real Open vSwitch: its abilities, and the flows of other programs."""

import pytest
from pydantic import SecretStr

from stasis_offload.checks.items import Item
from stasis_offload.checks.running import Running
from stasis_offload.checks.switch import check_switch
from stasis_offload.config import Config
from stasis_offload.config_sections import AriSettings, AsteriskSettings, OpenFlowSettings, SwitchSettings
from stasis_offload.identity import application_number
from stasis_offload.openflow.endpoint import Unix
from tests.support.ovs_container import Bridge
from tests.support.switch_events import connected

WIRED = "table 0 says by flows of its own or a controller's where packets go: "
APPLY = "of what is forwarded, those apply that are for what Asterisk sends, not those for what a party sends"
NORMAL = "priority=0,actions=NORMAL"
STUCK = (
    ": the bridge forwards no packet; is its controller there, or its fail_mode standalone? If it is to be a learning switch,"
    ' and we are its only controller, set openflow.table_miss = "normal", or'
)


def config_of(bridge: Bridge, *, instance: int = 0) -> Config:
    """Return the configuration of an application at this bridge, and with nothing else there."""
    return Config.model_construct(
        app="offload",
        ari=AriSettings(url="http://127.0.0.1:1", username="offload", password=SecretStr("s3cret")),
        asterisk=AsteriskSettings(),
        openflow=OpenFlowSettings.model_construct(connection=bridge.management, instance=instance),
    )


async def checked(bridge: Bridge, *, instance: int = 0) -> dict[str, Item]:
    config = config_of(bridge, instance=instance)
    [(_, settings)] = config.switches
    return {item.name: item for item in await check_switch(config, Running(), "", settings)}


async def test_a_bridge_as_it_was_made_is_a_learning_switch_that_tells_sizes_apart(bridge: Bridge) -> None:
    async with connected(
        bridge.management, application=application_number(config_of(bridge))
    ):  # our own flows are not another program's
        items = await checked(bridge)
    found = {name: items[name] for name in ("switch", "openflow", "abilities", "instance", "tables")}
    assert all(item.ok for item in found.values()), found
    assert found["tables"].text == "table 0 has NORMAL alone: a learning switch"
    assert found["abilities"].text == "the switch has all that is used (docs/limits.md)"


@pytest.mark.parametrize(
    ("flows", "text"),
    [
        (["in_port=1,actions=output:3", "in_port=3,actions=output:1"], f"{WIRED}2; {APPLY}"),
        (["priority=0,actions=output:1"], f"{WIRED}1; {APPLY}"),
        (["priority=0,udp,actions=NORMAL"], f"{WIRED}1; {APPLY}"),
        (["priority=0,actions=set_queue:1,NORMAL"], f"{WIRED}1; {APPLY}"),
        (
            [NORMAL, "priority=50000,arp,actions=NORMAL", "priority=50000,tcp,actions=drop"],
            f"{WIRED}3; {APPLY}",
        ),
        (
            [NORMAL, "priority=50000,in_port=1,actions=NORMAL", "priority=50001,udp6,actions=drop"],
            f"{WIRED}3; {APPLY}; 2 of them are above ours (priority 40000): what they take stays relayed",
        ),
        (
            [
                "cookie=0x5adc15c0,priority=0,actions=goto_table:1",
                "cookie=0x7,in_port=1,actions=drop",
                "arp,actions=drop",
            ],
            (
                f"{WIRED}3; {APPLY}; 2 of them have the cookies of other programs: 0x7, 0x5adc15c0 (faucet); faucet"
                " deletes every flow of the bridge whenever it connects: all calls are learned again then"
            ),
        ),
        (
            [
                "cookie=0x1,in_port=1,actions=set_field:7->metadata,set_field:1->reg14,resubmit(,8)",
                "table=8,metadata=7,actions=set_field:2->reg15,resubmit(,42)",
                "table=42,reg15=0x2/0xffff,actions=output:3",
            ],
            (
                f"{WIRED}1; {APPLY}; 1 of them have the cookies of other programs: 0x1; OVN deletes every flow of the"
                " bridge whenever it connects: all calls are learned again then; 2 in other tables use register 15: what"
                " reads it there before it was written finds marks of ours"
            ),
        ),
    ],
)
async def test_what_the_flows_of_other_programs_mean_is_said(
    bridge: Bridge, flows: list[str], text: str
) -> None:
    bridge.replace_flows(*flows)
    item = (await checked(bridge))["tables"]
    assert (item.ok, item.text) == (True, text)


@pytest.mark.parametrize(
    ("flows", "text"),
    [
        (
            [],
            f"table 0 is empty{STUCK}",
        ),
        (["priority=0,actions=drop", "priority=7,udp,actions=drop"], f"all 2 flows of table 0 drop{STUCK}"),
        (
            [
                NORMAL,
                "table=76,actions=drop",
                "table=77,actions=drop",
                "table=78,arp,actions=drop",
                "table=79,actions=3",
                "table=84,actions=3",
            ],
            (
                "flows of another program: 1 in table 76, 1 in table 77, 1 in table 78, 1 in table 79; UDP is led there, and"
                " the default there is ours: let that program use other tables, or set openflow.instance to a number whose"
                " tables are free: 1, 3, 4, 5, 6, 7"
            ),
        ),
        *(
            (
                [NORMAL, flow],
                (
                    f"{WIRED}2; {APPLY}; 1 of them use register 15, whose bits 0 to 16 are marks of ours: let them use"
                    " another one"
                ),
            )
            for flow in (
                "reg15=0,udp,actions=drop",
                "reg15=0/1,udp,actions=drop",
                "udp,actions=set_field:5->reg15,resubmit(,3)",
                "udp,actions=load:5->NXM_NX_REG15[3..7],resubmit(,3)",
                "udp,actions=move:NXM_NX_REG1[]->NXM_NX_REG15[],resubmit(,3)",
                "xreg7=5,udp,actions=drop",
                "xxreg3=5/7,udp,actions=drop",
            )
        ),
    ],
)
async def test_flows_of_other_programs_that_do_not_go_with_ours_fail(
    bridge: Bridge, flows: list[str], text: str
) -> None:
    bridge.replace_flows(*flows)
    item = (await checked(bridge))["tables"]
    assert (item.ok, item.text) == (False, text)
    if text.endswith(STUCK):
        bridge.ofctl(
            *item.command.removeprefix("ovs-ofctl -O OpenFlow13 ").replace(f" {bridge.name}", "").split()
        )
        assert (await checked(bridge))["tables"].ok


@pytest.mark.parametrize("mode", ["normal", "drop", "nx-match"])
async def test_how_the_bridge_handles_fragments_is_said_where_it_matters(bridge: Bridge, mode: str) -> None:
    bridge.ofctl("set-frags", mode)
    item = (await checked(bridge))["openflow"]
    lost = "; fragments are nx-match: RTP that comes in fragments is lost while a call is forwarded"
    assert item.text == "OpenFlow 1.3" + lost * (mode == "nx-match")
    assert item.command == f"ovs-ofctl set-frags {bridge.name} normal" * (mode == "nx-match")
    assert bridge.ofctl("get-frags").strip() == mode


async def test_who_else_is_at_the_bridge_is_said_and_that_one_has_to_change(bridge: Bridge) -> None:
    this = application_number(config_of(bridge))
    name = bridge.name
    assert (await checked(bridge))["instance"].text == f"0 of bridge {name}; no other application is there"
    async with (
        connected(bridge.management, instance=0, application=this),
        connected(bridge.management, instance=2, application=this ^ 1),
        connected(bridge.management, instance=7, application=this ^ 2),
    ):
        ours = (await checked(bridge))["instance"]
        assert (ours.ok, ours.text) == (True, f"0 of bridge {name}; other applications there: 2, 7")
        other = (await checked(bridge, instance=2))["instance"]
        assert (other.ok, other.text) == (
            False,
            (
                f"another application is instance 2 of bridge {name}: set openflow.instance to a number that none there has"
                " (1, 3, 4, 5, 6), or stop that one"
            ),
        )
        assert (await checked(bridge, instance=2))["tables"].ok


async def test_flows_of_an_instance_that_does_not_run_are_named_with_the_command_that_removes_them(
    bridge: Bridge,
) -> None:
    bridge.ofctl("add-flow", "table=89,cookie=0x3ff1000000000001,udp,actions=drop")
    found = (await checked(bridge))["instance"]
    command = f"del-flows {bridge.name} cookie=0x3ff1000000000000/0xffff000000000000"
    assert (found.mark, found.command) == ("hint", f"ovs-ofctl -O OpenFlow13 {command}")
    assert found.text.endswith("what ran as 3 and ended without a stop has left flows")
    bridge.ofctl("del-flows", "cookie=0x3ff1000000000000/0xffff000000000000")
    assert (await checked(bridge))["instance"].text.endswith("no other application is there")


async def test_of_several_switches_each_is_checked_under_its_name(bridge: Bridge) -> None:
    here = SwitchSettings.model_construct(name="host", connection=bridge.management, instance=0)
    gone = SwitchSettings.model_construct(name="tor", connection=Unix("/nonexistent"), instance=0)
    config = config_of(bridge).model_copy(update={"openflow": None, "switch": (here, gone)})
    items = [
        item
        for name, settings in config.switches
        for item in await check_switch(config, Running(), name, settings)
    ]
    marks = {item.name: item.mark for item in items}
    assert {"switch host": "ok", "abilities host": "ok", "switch tor": "FAILED"}.items() <= marks.items()
    assert [name for name in marks if name.endswith("tor")] == ["switch tor"]
