"""What it means that Asterisk says the application is registered."""

from stasis_offload.checks.running import Running, judge_application


def test_a_registered_application_that_does_not_run_is_not_taken_for_one_that_does() -> None:
    (runs,) = judge_application("offload", Running(problems=()), registered=True)
    (ended,) = judge_application(
        "offload", Running(problems=None, silence="nothing answers"), registered=True
    )
    assert (runs.text, ended.text) == (
        "Stasis(offload) is registered",
        "Stasis(offload) is registered, perhaps by a program that has ended: Asterisk keeps it",
    )
