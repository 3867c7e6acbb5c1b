"""The metrics that the application has, those that docs/metrics.md lists, and those that contrib/ asks for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "metrics.md"
RULES = CHECKOUT / "contrib" / "prometheus"
DASHBOARD = CHECKOUT / "contrib" / "grafana" / "stasis-offload.json"
# A row of the page's table: the name, the type, the labels.
_ROW = re.compile(r"^\| `(stasis_offload_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
_NAME = re.compile(r"\bstasis_offload_\w+")
_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")

Metrics = dict[str, tuple[str, frozenset[str]]]


class Samples:
    """The values of one answer of `GET /metrics`."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        """Return a value by its name, without the prefix of ours; 0 of a counter that has not begun."""
        return self._values.get((f"stasis_offload_{name}", frozenset(labels.items())), 0.0)

    def rows(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of a name that are there, by those of its labels, whose names are in alphabetical order."""
        return {
            tuple(value for _, value in sorted(labels)): value
            for (found, labels), value in self._values.items()
            if found == f"stasis_offload_{name}"
        }

    def series(self) -> dict[str, float]:
        """Return every value of ours by its name and labels as Prometheus writes them."""
        return {
            f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in sorted(labels))}}}": number
            for (name, labels), number in self._values.items()
            if name.startswith("stasis_offload_")
        }

    def total(self, name: str) -> float:
        """Return the sum of the values of a name, over all labels."""
        return sum(value for (found, _), value in self._values.items() if found == f"stasis_offload_{name}")


def documented() -> Metrics:
    """Return the type and the labels of each metric of the page."""
    page = PAGE.read_text(encoding="utf-8")
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in _ROW.findall(page)
    }


def exposed(text: str) -> Metrics:
    """Return the type and the labels of each metric of ours in an answer of `GET /metrics`."""
    found: Metrics = {}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("stasis_offload_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, frozenset(labels))
    return found


def named_in(expression: str) -> set[str]:
    """Return the metrics of ours that an expression names; of a histogram's series, the histogram."""
    histograms = {name for name, (kind, _) in documented().items() if kind == "histogram"}
    names = set()
    for name in _NAME.findall(expression):
        bases = {name.removesuffix(suffix) for suffix in _OF_A_HISTOGRAM} & histograms
        names |= bases or {name}
    return names


def expressions() -> Iterator[str]:
    """Yield what each panel of the dashboard asks Prometheus for."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
