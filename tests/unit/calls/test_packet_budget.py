"""How many packets of one call are processed, however many come."""

import pytest

from stasis_offload.calls.packet_budget import PacketBudget
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import Duty, Role

STRANGERS = Role.of(Duty.GUARD_IN, Leg.CALLER)


def admitted(budget: PacketBudget, role: Role, *, rate: int, seconds: int, start: float = 0.0) -> int:
    return sum(budget.admits(role, start + n / rate) for n in range(rate * seconds))


@pytest.mark.parametrize("duty", [Duty.GUARD_IN, Duty.RTCP, Duty.RTCP_DROP, Duty.RTCP_OUT])
def test_of_a_flood_only_so_many_a_second_are_processed_and_the_rest_is_counted(duty: Duty) -> None:
    budget, role = PacketBudget(), Role.of(duty, Leg.CALLEE)
    assert admitted(budget, role, rate=1000, seconds=10) < 10 * 25 + 50
    assert budget.refused[role] > 9000
    # The other leg, and other flows, have a budget of their own.
    assert budget.admits(Role.of(duty, Leg.CALLER), 10.0)
    assert admitted(budget, role, rate=1, seconds=10, start=11.0) == 10


@pytest.mark.parametrize("duty", Duty)
def test_what_a_phone_sends_at_most_is_processed_whole(duty: Duty) -> None:
    budget, role = PacketBudget(), Role.of(duty, Leg.CALLER)
    rate = 100 if duty in (Duty.LEARN_IN, Duty.LEARN_OUT, Duty.GUARD_OUT, Duty.SMALL) else 10
    assert admitted(budget, role, rate=rate, seconds=20) == rate * 20
    assert not budget.refused


def test_a_dozen_stun_requests_at_once_are_no_flood() -> None:
    budget = PacketBudget()
    for second in range(0, 60, 5):
        assert sum(budget.admits(Role.of(Duty.RTCP, Leg.CALLER), float(second)) for _ in range(3 * 12)) == 36


def test_after_a_pause_no_more_than_before_are_processed_at_once() -> None:
    budget = PacketBudget()
    admitted(budget, STRANGERS, rate=1000, seconds=1)
    assert sum(budget.admits(STRANGERS, 1000.0) for _ in range(1000)) == 50
