"""The alerts of contrib/prometheus, as Debian's promtool reads and plays them."""

import pytest

from tests.support.prometheus import build, promtool


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    build()


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    assert "SUCCESS: 13 rules found" in promtool(
        "check", "rules", "--lint=all", "--lint-fatal", "stasis-offload.rules.yml"
    )


def test_each_alert_fires_when_it_should_and_not_when_nothing_is_wrong() -> None:
    assert "SUCCESS" in promtool("test", "rules", "stasis-offload.test.yml")
