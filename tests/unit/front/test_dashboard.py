"""The dashboard, as Grafana's own model of one reads it: it knows every key, and every value is of the type that it wants there.

The model (grafana-foundation-sdk) is made from the schemas that Grafana itself is built with. Reading, it drops a key that it does
not know, and takes any value.
"""

import json
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.support.metrics import DASHBOARD

ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)


@pytest.fixture
def board() -> Any:
    plugins.register_default_plugins()  # the options of each kind of panel, and what a query of Prometheus is
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def unknown(ours: Any, read: Any, at: str = "") -> Iterator[str]:
    """Yield where what was read lacks something of ours, or differs."""
    match ours, read:
        case dict(), dict():
            for key, value in ours.items():
                yield from unknown(value, read[key], f"{at}.{key}") if key in read else [f"{at}.{key}"]
        case list(), list() if len(ours) == len(read):
            for number, pair in enumerate(zip(ours, read, strict=True)):
                yield from unknown(*pair, f"{at}[{number}]")
        case _:
            yield from [] if ours == read else [at]


def mistyped(value: Any, at: str = "") -> Iterator[str]:
    """Yield where a value of the model's is not of the type that its class declares."""
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from mistyped(each, f"{at}[{number}]")
    if not type(value).__module__.startswith("grafana_foundation_sdk.models"):
        return
    for name, declared in get_type_hints(type(value)).items():
        found = getattr(value, name)
        try:
            TypeAdapter(declared, config=ANY_TYPE).validate_python(found)
        except ValidationError:
            yield f"{at}.{name}"
        yield from mistyped(found, f"{at}.{name}")


def mistakes(board: Any) -> list[str]:
    """Return where Grafana's model finds something wrong."""
    model = Dashboard.from_json(board)
    known_units = {unit for unit in vars(units).values() if isinstance(unit, str)}
    panels = [panel for panel in model.panels or () if isinstance(panel, Panel)]
    return [
        *unknown(board, json.loads(json.dumps(model, cls=JSONEncoder))),
        *mistyped(model),
        *(f"kind {panel.type_val}" for panel in panels if isinstance(panel.options, dict)),
        *(
            f"unit {panel.field_config.defaults.unit}"
            for panel in panels
            if panel.field_config and (panel.field_config.defaults.unit or "none") not in known_units
        ),
    ]


def test_grafanas_model_knows_all_of_the_dashboard(board: Any) -> None:
    assert mistakes(board) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"headline": "x"}, ["panels[1].headline"]),
        ({"type": "stats"}, ["kind stats"]),
        ({"options": {"colorMod": "value"}}, ["panels[1].options.colorMod"]),
        ({"options": {"colorMode": "foreground"}}, ["panels[1].options.color_mode"]),
        ({"gridPos": {"x": 0, "y": 1, "w": 4, "h": "high"}}, ["panels[1].grid_pos.h"]),
        ({"fieldConfig": {"defaults": {"unit": "percents"}, "overrides": []}}, ["unit percents"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_of_the_dashboard_is_found(board: Any, change: dict[str, Any], found: list[str]) -> None:
    board["panels"][1].update(change)
    assert [place.lstrip(".") for place in mistakes(board)] == found
