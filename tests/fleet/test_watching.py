"""One Prometheus for the fleet: each node is an instance, which alerts and the dashboard tell apart."""

from lab import control
from lab.control import wait_until
from lab.fleet import NODES, A
from tests.support.fleet import carried
from tests.support.metrics import expressions
from tests.support.prometheus import Prometheus, build, prometheus

CARRIED = 'stasis_offload_calls{state="offloaded"}'


def by_instance(found: Prometheus, expression: str) -> dict[str, float]:
    try:
        return {labels["instance"].partition(":")[0]: value for labels, value in found.query(expression)}
    except control.LabError:
        return {}  # it has yet to start


def test_one_prometheus_reads_every_node_and_tells_them_apart() -> None:
    build()
    addresses = {node.name: node.scraped for node in NODES}
    with prometheus("kamailio", config="fleet.yml") as found:
        control.originate("555@kamailio", count=4)
        for node in NODES:
            carried(node, 2)
        A.command("drain")
        wait_until(
            lambda: by_instance(found, CARRIED) == dict.fromkeys(addresses.values(), 2),
            within=30,
            what="Prometheus to see the calls of both nodes",
        )
        wait_until(
            lambda: by_instance(found, "stasis_offload_drained == 1") == {addresses["A"]: 1},
            within=10,
            what="Prometheus to see that A is drained",
        )
        # It is drained for an hour before somebody is told: until then the alert waits, of this node alone.
        wait_until(
            lambda: by_instance(found, "ALERTS{alertname='StasisOffloadDrained'}") == {addresses["A"]: 1},
            within=10,
            what="the alert to wait",
        )
        for expression in expressions():
            for instance in (".*", f"{addresses['A']}:8086"):
                found.query(expression.replace("$__rate_interval", "1m").replace("$instance", instance))
        share = next(expression for expression in expressions() if CARRIED[:-1] in expression)
        both, one = (
            found.query(share.replace("$instance", instance)) for instance in (".*", f"{addresses['A']}:8086")
        )
        assert [value for _, value in both] == [value for _, value in one] == [1]
