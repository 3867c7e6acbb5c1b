"""The application is far from the switch: that costs a call time before it is switched, and no packet."""

import pytest

from lab import control
from tests.support.dialled_switch import dialled_from_afar
from tests.support.edge_call import ALICE, BOB, assert_by_switch, assert_whole, conversation

MOVES = 3


@pytest.mark.parametrize("delay", [0.005, 0.05])
def test_calls_go_into_the_switch_and_out_of_it_with_every_packet_when_its_answers_come_late(
    delay: float,
) -> None:
    with dialled_from_afar(delay), conversation() as call:
        start = call.carried()
        for _ in range(MOVES):
            control.offload("relay", "--all")
            call.relayed("operator")
            control.lift_blocks()
            again = call.carried()
        end = call.passed(0.5)
        reasons = [reason for _, reason in call.returns()]
    assert reasons == ["operator"] * MOVES
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_switch(call.capture, speaker, again, end)
