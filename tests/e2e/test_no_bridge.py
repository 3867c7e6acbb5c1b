"""Calls for which Asterisk makes no bridge: OffloadDial() has Dial() make them."""

from lab import control
from lab.control import wait_until
from tests.support.observed import Cdrs, bridged


def test_a_caller_for_whom_asterisk_makes_no_bridge_is_dialled_for_by_dial(cdrs: Cdrs) -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    counted = control.health()["passed_by"]["no-bridge"]
    control.asterisk("asterisk2", "module unload res_ari_bridges.so")
    try:
        control.originate("ours@asterisk2")
        bridged(2)
        wait_until(lambda: not control.calls(), within=10, what="the application to have let it go")
        assert len(control.channels("asterisk2")) == 2
        control.hang_up_all()
        row = cdrs.last()
        wait_until(
            lambda: "res_ari_bridges" in str(control.health()["problems"]), within=15, what="a problem"
        )
        assert control.health()["passed_by"]["no-bridge"] == counted + 1
    finally:
        control.asterisk("asterisk2", "module load res_ari_bridges.so")
        wait_until(lambda: control.health()["ok"], within=15, what="no problem any more")
    assert (row["dialstatus"], row["lastapp"]) == ("ANSWER", "Dial")
    assert (row["offload_status"], row["offload_reason"]) == ("relayed", "no-bridge")
