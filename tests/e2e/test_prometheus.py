"""A real Prometheus scrapes the lab's application: it reads all of it, and every panel of the dashboard has an answer."""

from lab import control
from lab.control import wait_until
from tests.support.metrics import RULES, expressions, named_in
from tests.support.observed import media_moved
from tests.support.prometheus import build, prometheus


def test_prometheus_reads_the_metrics_loads_the_alerts_and_answers_every_panel() -> None:
    build()
    with prometheus("offload") as found:
        control.originate("555@asterisk2")
        media_moved()

        def scraped() -> bool:
            try:
                return [
                    value for _, value in found.query('stasis_offload_calls{state="offloaded"} == 1')
                ] == [1]
            except control.LabError:
                return False  # it has yet to start

        wait_until(scraped, within=30, what="Prometheus to see the call", every=0.2)
        [target] = found.get("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        [version] = [labels["version"] for labels, _ in found.query("stasis_offload_build_info")]
        assert version == control.health()["version"]
        [group] = found.get("rules")["groups"]
        wait_until(
            lambda: {rule["health"] for rule in found.get("rules")["groups"][0]["rules"]} == {"ok"},
            within=10,
            what="every alert to be evaluated",
        )
        written = (RULES / "stasis-offload.rules.yml").read_text(encoding="utf-8")
        assert len(group["rules"]) == written.count("- alert:") > 0
        known = found.get(
            "metadata"
        )  # of OpenMetrics, where a counter's name is without _total, and an info's without _info
        for expression in expressions():
            asked = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
            found.query(asked)  # which Prometheus refuses if it is wrong
            named = named_in(expression)
            assert {name.removesuffix("_total").removesuffix("_info") for name in named} <= set(known)
        # The dashboard's variable: label_values(stasis_offload_build_info, instance).
        assert found.get("label/instance/values?match[]=stasis_offload_build_info") == [
            target["labels"]["instance"]
        ]
        assert found.query("ALERTS{alertstate='firing'}") == []
