"""Two applications on one bridge: the later has it, the other relays its calls, and both say how it is."""

from lab import control
from lab.control import wait_until
from tests.support.applications import another_application
from tests.support.edge_call import ALICE, BOB, assert_by_asterisk, assert_carried, assert_whole, conversation

IN_USE = "switch: another stasis-offload uses this bridge: one of the two has to stop"


def checked(service: str) -> list[str]:
    """Return what `stasis-offload check` finds wrong beside a running application."""
    rows = control.execute(service, "sh", "-c", "stasis-offload check; true").splitlines()
    assert any(row.startswith("ok ") for row in rows)
    return [row for row in rows if not row.startswith("ok ")]


def problems(service: str) -> list[str]:
    health = control.health(service)
    assert health["ok"] == (health["problems"] == [])
    return list(health["problems"])


def test_of_two_applications_the_one_without_the_bridge_relays_its_calls_and_says_so_until_the_other_ends() -> (
    None
):
    with conversation() as call:
        call.carried()
        assert problems("offload") == []
        with another_application(APP="second") as second:
            call.relayed("switch-unreachable")
            start = wait_until(
                lambda: problems("offload") == [IN_USE] and call.passed(0.0), within=15, what="it to be named"
            )
            assert problems(second) == []
            assert checked("offload") == [f"FAILED health: {IN_USE}"]
            assert control.calls()[0]["reason"] == "switch-unreachable"
            end = call.passed(0.5)
        carried, stop = call.carried(), call.passed(0.5)
        assert problems("offload") == []
    for speaker in (BOB, ALICE):
        assert_by_asterisk(call.capture, speaker, start or 0.0, end)
        assert_whole(call.capture, speaker, start or 0.0, stop)
    assert_carried(call.capture, carried, stop)
