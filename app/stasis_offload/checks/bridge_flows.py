"""What the flows of a bridge mean for the application: its place among others like it, and the rules of other programs."""

from collections import Counter
from collections.abc import Collection, Iterator

from stasis_offload.checks.items import Item
from stasis_offload.openflow.events import SeenFlow
from stasis_offload.openflow.flow import COOKIE_PREFIX_MASK, is_ours
from stasis_offload.openflow.gate import application_of
from stasis_offload.openflow.instance import INSTANCES, Instance

# The default of "cookie" in faucet (faucet/dp.py, DP.defaults).
_FAUCET = 0x5ADC15C0
# So many cookies of other programs are named.
_NAMED = 3


def judge_instance(flows: Collection[SeenFlow], instance: Instance, *, application: int, bridge: str) -> Item:
    """Judge whether an application can be this instance of a bridge with these flows."""
    instances = [Instance(number) for number in range(INSTANCES)]
    leases = {
        each.number: flow.cookie
        for flow in flows
        for each in instances
        if flow.is_lease and flow.table in each.tables
    }
    left = {each.number for flow in flows for each in instances if each.owns(flow.cookie)}
    left -= leases.keys() | {instance.number}
    holder = leases.pop(instance.number, None)
    if holder is not None and application_of(holder) != application:
        free = _listed(set(range(INSTANCES)) - leases.keys() - {instance.number})
        text = (
            f"another application is instance {instance.number} of bridge {bridge}: set openflow.instance to a number"
            f" that none there has ({free or 'they are all taken'}), or stop that one"
        )
        return Item("instance", ok=False, text=text)
    others = (
        f"other applications there: {_listed(leases.keys())}" if leases else "no other application is there"
    )
    text = f"{instance.number} of bridge {bridge}; {others}"
    if left:
        text += f"; what ran as {_listed(left)} and ended without a stop has left flows"
    commands = [
        f"ovs-ofctl -O OpenFlow13 del-flows {bridge} cookie={Instance(number).prefix:#x}/{COOKIE_PREFIX_MASK:#x}"
        for number in sorted(left)
    ]
    return Item("instance", ok=True, text=text, command=" && ".join(commands))


def judge_tables(flows: Collection[SeenFlow], instance: Instance, *, bridge: str) -> Item:
    """Judge the flows of other programs: in table 0 they say where packets go, in the tables of this instance they collide."""
    name, show = "tables", f"ovs-ofctl -O OpenFlow13 dump-flows {bridge}"
    foreign = [flow for flow in flows if not is_ours(flow.cookie)]
    taken = Counter(flow.table for flow in foreign if flow.table in instance.tables)
    if taken:
        found = ", ".join(f"{count} in table {table}" for table, count in sorted(taken.items()))
        used = {flow.table for flow in foreign}
        free = [n for n in range(INSTANCES) if not Instance(n).tables & used]
        advice = "UDP is led there, and the default there is ours: let that program use other tables"
        if free:
            advice += f", or set openflow.instance to a number whose tables are free: {_listed(free)}"
        return Item(name, ok=False, text=f"flows of another program: {found}; {advice}", command=show)
    rules = [flow for flow in foreign if flow.table == 0]
    if all(flow.drops for flow in rules):
        found = f"all {len(rules)} flows of table 0 drop" if rules else "table 0 is empty"
        text = (
            f"{found}: the bridge forwards no packet; is its controller there, or its fail_mode standalone? If it is to be"
            ' a learning switch, and we are its only controller, set openflow.table_miss = "normal", or'
        )
        command = f"ovs-ofctl -O OpenFlow13 add-flow {bridge} priority=0,actions=NORMAL"
        return Item(name, ok=False, text=text, command=command)
    if len(rules) == 1 and rules[0].is_normal:
        return Item(name, ok=True, text="table 0 has NORMAL alone: a learning switch")
    collides = [flow for flow in rules if flow.uses_register]
    above = [flow for flow in rules if flow.priority > instance.gate_priority and flow.may_take_udp]
    sentences = [
        f"table 0 says by flows of its own or a controller's where packets go: {len(rules)}",
        *_consequences(foreign, rules, len(above), instance),
    ]
    if collides:
        sentences.append(
            f"{len(collides)} of them use register 15, whose bits 0 to 16 are marks of ours: let them use another one"
        )
    return Item(
        name,
        ok=not collides,
        text="; ".join(sentences),
        command=f"{show} table=0" if collides or above else "",
    )


def _consequences(
    foreign: Collection[SeenFlow], rules: Collection[SeenFlow], above: int, instance: Instance
) -> Iterator[str]:
    yield "of what is forwarded, those apply that are for what Asterisk sends, not those for what a party sends"
    cookies = Counter(flow.cookie for flow in rules if flow.cookie)
    if cookies:
        most = sorted(cookies, key=lambda cookie: (-cookies[cookie], cookie))[:_NAMED]
        named = ", ".join(map(_named, most))
        more = f" and {len(cookies) - _NAMED} more" if len(cookies) > _NAMED else ""
        yield f"{cookies.total()} of them have the cookies of other programs: {named}{more}"
    if above:
        yield f"{above} of them are above ours (priority {instance.gate_priority}): what they take stays relayed"
    if _FAUCET in cookies:
        yield "faucet deletes every flow of the bridge whenever it connects: all calls are learned again then"
    if any(flow.is_ovn for flow in rules):
        yield "OVN deletes every flow of the bridge whenever it connects: all calls are learned again then"
    elsewhere = sum(flow.uses_register and flow.table != 0 for flow in foreign)
    if elsewhere:
        yield (
            f"{elsewhere} in other tables use register 15: what reads it there before it was written finds marks of ours"
        )


def _named(cookie: int) -> str:
    return f"{cookie:#x} (faucet)" if cookie == _FAUCET else f"{cookie:#x}"


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
