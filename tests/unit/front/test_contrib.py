"""The alerts and the dashboard: they ask for metrics that there are, and docs/metrics.md has each alert.

Prometheus itself reads them in tests/integration/test_alerts.py and tests/e2e/test_prometheus.py.
"""

import json
import re
from typing import Any

from tests.support.metrics import DASHBOARD, PAGE, RULES, documented, expressions, named_in

RULES_FILE = RULES / "stasis-offload.rules.yml"
TEST_FILE = RULES / "stasis-offload.test.yml"


def alerts(text: str) -> list[str]:
    return re.findall(r"^ *- alert: (\w+)$", text, re.MULTILINE)


def test_every_metric_that_a_rule_or_a_rules_test_names_exists() -> None:
    for file in (RULES_FILE, TEST_FILE):
        named = named_in(file.read_text(encoding="utf-8"))
        assert named
        assert named - set(documented()) == set()


def test_every_metric_that_the_dashboard_asks_for_exists_and_no_metric_of_ours_is_left_out() -> None:
    named = set().union(*map(named_in, expressions()))
    assert named == set(documented())


def test_every_alert_is_explained_in_the_documentation_and_is_in_the_rules_tests() -> None:
    named = alerts(RULES_FILE.read_text(encoding="utf-8"))
    assert named == re.findall(r"^\| `(StasisOffload\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    fired = set(re.findall(r'alertname="(\w+)"', TEST_FILE.read_text(encoding="utf-8")))
    assert fired == set(named)


def test_the_panels_of_the_dashboard_do_not_overlap_and_each_has_a_number_of_its_own() -> None:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for at in (panel["gridPos"],)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
