"""A second application for the same Asterisk, beside the running one: refused, or told to take over, when the first ends."""

import json

from lab import control
from lab.control import wait_until

ELSEWHERE = (
    "env",
    "STASIS_OFFLOAD_HTTP__SOCKET=/run/stasis-offload/other.sock",
    "STASIS_OFFLOAD_HTTP__PORT=8087",
)


def test_a_second_one_is_refused_and_says_who_runs() -> None:
    done = control.execute("offload", "sh", "-c", f"{' '.join(ELSEWHERE)} stasis-offload run 2>&1; echo $?")
    line, status = done.splitlines()
    assert json.loads(line)["error"] == (
        "it runs already, for Stasis(offload) of the same Asterisk: process 1 of user offload; stop that one, or let this one"
        " take its calls (`run --take-over`, with another [http])"
    )
    assert status == "1"
    assert control.health()["ok"]


def test_one_that_is_to_take_over_has_the_calls_and_the_first_ends_for_good() -> None:
    name = control.container("offload")
    try:
        control.docker("exec", "--detach", name, *ELSEWHERE, "stasis-offload", "run", "--take-over")
        wait_until(
            lambda: control.docker("inspect", "-f", "{{.State.Running}}", name).strip() == "false",
            within=60,
            what="the first to end",
        )
        assert control.docker("inspect", "-f", "{{.State.ExitCode}}", name).strip() == "75"
        assert "another program registered the Stasis application 'offload'" in control.docker(
            "logs", "--tail", "20", name, stderr=True
        )
    finally:
        control.start("offload")
