"""The configuration, read again while the application runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stasis_offload.config import Config, load
from stasis_offload.media.exclusion import Rule
from stasis_offload.reloading import Reloader, rules_of, tuning_of

TOML = """
[ari]
url = "http://127.0.0.1:8088"
username = "offload"
password = "s3cret-of-before"

[openflow]
connection = "unix:/run/openvswitch/breth0.mgmt"
"""


class Reloading:
    """A file, what has been put in force of it, and what is wrong."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.file.write_text(TOML)
        self.applied: list[Config] = []
        self.problems: dict[str, str] = {}
        self.reloader = Reloader(
            load(file), load=lambda: load(file), apply=self.applied.append, problems=self.problems
        )

    async def __call__(self, text: str) -> list[dict[str, object]]:
        """Read the file with this text in it; return what is logged, without the level."""
        self.file.write_text(text)
        with capture_logs() as logged:
            await self.reloader.reload()
        return [{key: value for key, value in line.items() if key != "log_level"} for line in logged]


@pytest.fixture
def reloading(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path / "stasis-offload.toml")


async def test_what_may_change_is_put_in_force_and_named(reloading: Reloading) -> None:
    changed = TOML.replace("s3cret-of-before", "s3cret-of-now")
    changed += '[media]\ngrace = 10\n[[policy]]\ncontext = "fax"\noffload = "never"\n[log]\nlevel = "debug"\n'
    assert await reloading(changed) == [
        {
            "event": "config.reloaded",
            "changed": ["ari.password", "log.level", "media.grace", "policy"],
        }
    ]
    [now] = reloading.applied
    assert (now.ari.password.get_secret_value(), now.log.level) == ("s3cret-of-now", "debug")
    assert tuning_of(now.media).grace == 10
    assert rules_of(now.policy) == (Rule(1, 0.0, context="fax"),)
    assert await reloading(changed) == [{"event": "config.reloaded", "changed": []}]


async def test_another_token_in_the_same_file_is_put_in_force(reloading: Reloading, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of before\n")
    text = f'{TOML}[http]\ntoken_file = "{file}"\n'
    changed = {"event": "config.reloaded", "changed": ["http.token_file"]}
    assert await reloading(text) == [changed]
    file.write_text("of now\n")
    assert await reloading(text) == [changed]
    assert await reloading(text) == [{"event": "config.reloaded", "changed": []}]
    assert await reloading(TOML) == [changed]
    assert [config.http.token for config in reloading.applied] == ["of before", "of now", "of now", None]


async def test_what_waits_for_a_restart_is_named_each_time_and_not_changed(reloading: Reloading) -> None:
    other = TOML.replace("breth0", "br1").replace(":8088", ":8089") + "[http]\nport = 8087\n"
    named = {"event": "config.restart_needed", "keys": ["ari.url", "http.port", "openflow.connection"]}
    for text in (other, other):
        assert (await reloading(text))[1:] == [named]
    assert [(str(c.switches[0][1].connection), c.http.port) for c in reloading.applied] == [
        ("unix:/run/openvswitch/breth0.mgmt", 8086)
    ] * 2
    assert await reloading(TOML) == [{"event": "config.reloaded", "changed": []}]


@pytest.mark.parametrize(
    ("wrong", "mistakes"),
    [
        (
            lambda text: text + '[media]\nidle_tmeout = 3\n[[policy]]\noffload = "101%"\n',
            ("policy 1, offload", "idle_tmeout"),
        ),
        (lambda _: "no toml", ("is not TOML",)),
        (
            lambda text: text + '[hep]\ncapture_address = "homer..example.net:9060"\n',
            ("hep.capture_address: given 'homer..example.net:9060'",),
        ),
    ],
)
async def test_a_wrong_one_changes_nothing_and_is_a_problem_until_it_is_right(
    reloading: Reloading, wrong: Callable[[str], str], mistakes: tuple[str, ...]
) -> None:
    [line] = await reloading(wrong(TOML))
    assert line["event"] == "config.rejected"
    for said in (str(line["error"]), reloading.problems["configuration"]):
        assert all(mistake in said for mistake in mistakes)
        assert "s3cret" not in said
    assert "\n" not in reloading.problems["configuration"]
    assert reloading.applied == []
    await reloading(TOML)
    assert reloading.problems == {}
