"""Two applications on one Asterisk, each under a name of its own: what is the other's is never touched."""

import json
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from lab import control
from lab.control import LabError, wait_until
from tests.support.applications import OTHER, another_application
from tests.support.ari_program import get, post
from tests.support.edge_call import (
    ALICE,
    UNDER_WAY,
    Conversation,
    assert_whole,
    conversation,
    dialog_of,
    replacing,
)

STAGING = "offload-staging"
# The extension that dials by each application, and what its bridges' ids begin with.
EXTENSIONS = {"offload": "custom", OTHER: "staging"}
PREFIXES = {"offload": "offload-", OTHER: "offload=staging-"}


def calls(service: str) -> list[str]:
    """List the calls of an application; none while it does not answer."""
    try:
        found = json.loads(control.execute(service, "stasis-offload", "calls", "--json"))["calls"]
        return [call["call"] for call in found]
    except LabError:
        return []


def registered() -> bool:
    """Whether Asterisk gives the second application its calls."""
    try:
        problems = control.health(OTHER)["problems"]
    except LabError:
        return False  # it does not listen yet
    return not any(problem.startswith("asterisk:") for problem in problems)


def bridges() -> dict[str, list[str]]:
    """Return the channels in each bridge of Asterisk but its parking lot's."""
    return {
        bridge["id"]: sorted(bridge["channels"])
        for bridge in get("bridges")
        if bridge["bridge_type"] != "holding"
    }


def replace_caller(call: Conversation) -> None:
    """Have somebody come in Bob's place, who sends back what he hears: the call's id is of a channel that is gone."""
    with replacing(dialog_of(call.bob)):
        control.originate("556@asterisk2", application="Echo")
        call.bob.ended()


def whole(count: int) -> Callable[[], bool]:
    return lambda: [len(members) for members in bridges().values()] == [2] * count


@pytest.mark.parametrize(("restarted", "stays"), [(OTHER, "offload"), ("offload", OTHER)])
def test_an_application_that_is_killed_and_restarted_leaves_alone_what_another_one_has(
    restarted: str, stays: str
) -> None:
    with ExitStack() as stack:
        stack.enter_context(another_application(APP=STAGING, OPENFLOW__CONNECTION="unix:/nowhere.mgmt"))
        wait_until(registered, within=30, what="the second application to be there")
        call = stack.enter_context(conversation(EXTENSIONS[stays]))
        replace_caller(call)
        if stays == "offload":
            call.carried()
        control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
        control.originate(f"{EXTENSIONS[restarted]}@asterisk2")
        wait_until(whole(2), within=10, what="two calls")
        before, own, others = bridges(), calls(restarted), calls(stays)
        assert len(own) == len(others) == 1
        control.stop(restarted, kill=True)
        # What has an id of the application's and no call is removed at the end of its recovery.
        orphan = f"{PREFIXES[restarted]}orphan"
        post("bridges", orphan, type="mixing")
        control.docker("start", control.container(restarted))
        wait_until(lambda: orphan not in bridges(), within=20, what="the restarted application to know all")
        assert (calls(restarted), calls(stays)) == (own, others)
        assert bridges() == before
        since = call.carried() if stays == "offload" else call.passed(0.0)
        end = call.passed(1.0)
        call.passed(UNDER_WAY)
        control.hang_up_all()
    assert_whole(call.capture, ALICE, since, end)
    wait_until(lambda: not bridges(), within=10, what="no bridge to be left")
