"""Several switches in the configuration: sections [[switch]], which go together, and are named by their place."""

import os
from pathlib import Path

import pytest

from stasis_offload import config
from stasis_offload.config import load
from tests.unit.front.test_config import GOOD, refusal, written


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(config.ENV_PREFIX)]:
        monkeypatch.delenv(name)


SEVERAL = """
[ari]
url = "http://127.0.0.1:8088/"
username = "offload"
password = "s3cret"
[[switch]]
name = "host"
connection = "unix:/run/openvswitch/breth0.mgmt"
[[switch]]
name = "tor"
connection = "tcp:192.0.2.1:6654"
datapath_id = "00000000000000ab"
instance = 3
"""


def test_several_switches_are_in_the_order_of_their_sections(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, SEVERAL))
    assert [(name, str(settings.connection), settings.instance) for name, settings in loaded.switches] == [
        ("host", "unix:/run/openvswitch/breth0.mgmt", 0),
        ("tor", "tcp:192.0.2.1:6654", 3),
    ]
    assert loaded.openflow is None


def test_the_only_switch_has_no_name(tmp_path: Path) -> None:
    [(name, settings)] = load(written(tmp_path, GOOD)).switches
    assert (name, str(settings.connection)) == ("", "unix:/run/openvswitch/breth0.mgmt")


def test_a_mistake_in_one_of_several_switches_names_the_section(tmp_path: Path) -> None:
    wrong = SEVERAL.replace('name = "tor"', 'nme = "tor"').replace("instance = 3", "instance = 9")
    assert refusal(tmp_path, wrong) == [
        "switch 2, instance: given 9, expected a whole number, 0 to 7, that no other application at that bridge has",
        "switch 2, name: missing, expected a name of at most 32 letters, digits, -, _ and .",
        "switch 2, nme: unknown key, did you mean switch.name?",
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (SEVERAL + '[openflow]\nconnection = "ptcp:6653"\n', "switch: not beside [openflow]: give each"),
        (SEVERAL.replace('"tor"', '"host"'), "switch: two have the name host"),
        (
            SEVERAL.replace("tcp:192.0.2.1:6654", "unix:/run/openvswitch/breth0.mgmt"),
            "switch: two have the connection unix:/run/openvswitch/breth0.mgmt",
        ),
        (GOOD.replace("[openflow]", "[switch]"), "switch: given {'connection': "),
    ],
    ids=["openflow", "name", "connection", "no list"],
)
def test_switches_that_do_not_go_together_are_refused(tmp_path: Path, wrong: str, says: str) -> None:
    [line] = refusal(tmp_path, wrong)
    assert line.startswith(says)


def test_a_variable_of_the_only_switch_is_refused_beside_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_OPENFLOW__CONNECTION", "ptcp:6653")
    [line] = refusal(tmp_path, SEVERAL)
    assert line.startswith("switch: not beside [openflow]")
