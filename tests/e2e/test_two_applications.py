"""Two applications on one bridge: one that would be the other is refused and harms nothing; of two numbers, both work."""

from lab import control
from lab.control import LabError, wait_until
from tests.support.applications import another_application, application
from tests.support.edge_call import assert_carried, conversation

IN_USE = (
    "another application is instance 0 of bridge breth0: set openflow.instance of one of the two to a number that none"
    " there has, 0 to 7"
)


def checked(service: str) -> list[str]:
    """Return what `stasis-offload check` says beside a running application."""
    rows = control.execute(service, "sh", "-c", "stasis-offload check; true").splitlines()
    assert any(row.startswith("ok ") for row in rows)
    return [" ".join(row.split()) for row in rows]


def problems(service: str) -> list[str] | None:
    try:
        health = control.health(service)
    except LabError:
        return None  # it does not listen yet
    assert health["ok"] == (health["problems"] == [])
    return list(health["problems"])


def test_a_second_application_is_refused_and_says_why_and_the_calls_of_the_first_stay_in_the_switch() -> None:
    with conversation() as call:
        start = call.carried()
        with another_application(APP="second") as second:
            wait_until(lambda: problems(second) == [f"switch: {IN_USE}"], within=15, what="it to be refused")
            failed = [row for row in checked(second) if row.startswith("FAILED ")]
            assert failed == [
                f"FAILED health: switch: {IN_USE}",
                (
                    "FAILED instance: another application is instance 0 of bridge breth0: set openflow.instance to a number"
                    " that none there has (1, 2, 3, 4, 5, 6, 7), or stop that one"
                ),
            ]
            assert problems("offload") == []
        stop = call.passed(0.5)
    assert_carried(call.capture, start, stop)


def test_as_another_instance_it_offloads_beside_the_first_and_neither_comes_or_goes_at_the_others_cost() -> (
    None
):
    with application(OPENFLOW__INSTANCE=3), conversation() as call:
        start = call.carried()
        with another_application(APP="second", OPENFLOW__INSTANCE=0) as second:
            wait_until(lambda: problems(second) == [], within=15, what="it to be there")
            assert "ok instance: 3 of bridge breth0; other applications there: 0" in checked("offload")
            call.passed(0.5)
        stop = call.passed(0.5)
        assert problems("offload") == []
        flows = control.execute("ovs", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "breth0").splitlines()
        assert {line.split("=")[1][:6] for line in flows if "ff1" in line.split(",")[0]} == {"0x3ff1"}
    assert_carried(call.capture, start, stop)
