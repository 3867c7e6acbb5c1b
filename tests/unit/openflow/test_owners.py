"""What the switch has is compared with what each owner should have."""

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.openflow.flow import COOKIE_OWNER_MASK, COOKIE_PREFIX, Flow, Match, Mirror, owner_cookie
from stasis_offload.openflow.flowmod import content
from stasis_offload.openflow.owners import Findings, OwnerFlows, compare
from stasis_offload.packets.address import Address

SOURCE = Address.parse("198.18.0.10:4000")
NOTHING = Findings(remove=frozenset(), missing=())
FEW = st.integers(0, 3)
COOKIES = st.builds(lambda owner, role: owner_cookie(owner) | role, FEW, FEW)


def flow(cookie: int, max_len: int = 128) -> Flow:
    match = Match(source=SOURCE, destination=Address(SOURCE.host, 10_000 + cookie % 0x1_0000))
    return Flow(cookie=cookie, priority=1, match=match, action=Mirror(max_len))


def owners_of(cookies: set[int]) -> dict[int, OwnerFlows]:
    owners: dict[int, OwnerFlows] = {}
    for cookie in sorted(cookies):
        owner = owners.setdefault(cookie & COOKIE_OWNER_MASK, OwnerFlows())
        owner.hold((*owner.flows, flow(cookie)))
    return owners


def contents(cookies: set[int]) -> dict[int, list[bytes]]:
    return {cookie: [content(flow(cookie))] for cookie in cookies}


@given(wanted=st.sets(COOKIES), there=st.sets(COOKIES))
def test_what_nobody_wants_is_removed_and_what_is_missing_twice_is_named(
    wanted: set[int], there: set[int]
) -> None:
    owners = owners_of(wanted)
    assert compare(owners, contents(there), at=0) == Findings(remove=frozenset(there - wanted), missing=())
    again = compare(owners, contents(there), at=0)
    assert {flow.cookie for flow in again.missing} == wanted - there


def test_a_flow_with_another_content_is_removed_and_so_is_one_that_is_there_twice() -> None:
    altered, doubled, right = (owner_cookie(1) | role for role in (1, 2, 3))
    found = contents({altered, doubled, right})
    found[altered] = [content(flow(altered, 64))]
    found[doubled] *= 2
    remove = frozenset({altered, doubled})
    assert compare(owners_of({altered, doubled, right}), found, at=0) == Findings(remove=remove, missing=())


def test_of_an_owner_of_whom_the_last_outcome_is_unknown_all_is_removed() -> None:
    owners = owners_of({owner_cookie(1) | 1})
    (owner,) = owners.values()
    owner.outcome_unknown = True
    owner.possible.add(owner_cookie(1) | 2)
    found = contents({owner_cookie(1) | 1, owner_cookie(1) | 3})
    assert compare(owners, found, at=0).remove == {owner_cookie(1) | role for role in (1, 2, 3)}


def test_nothing_is_said_of_owners_whose_flows_change_or_changed_since() -> None:
    for change in ({"users": 1}, {"users": 1, "outcome_unknown": True}, {"changed": 8}):
        owners = owners_of({owner_cookie(1) | 1})
        for name, value in change.items():
            setattr(owners[owner_cookie(1)], name, value)
        for _ in range(2):
            assert compare(owners, contents({owner_cookie(1) | 2}), at=7) == NOTHING


def test_a_flow_whose_end_is_known_is_not_missing() -> None:
    owners = owners_of({owner_cookie(1) | 1})
    owners[owner_cookie(1)].removed_by_switch.add(owner_cookie(1) | 1)
    for _ in range(2):
        assert compare(owners, {}, at=0) == NOTHING


def test_flows_of_no_owner_are_removed_whatever_their_role() -> None:
    assert compare({}, contents({COOKIE_PREFIX | 0xFF}), at=0).remove == {COOKIE_PREFIX | 0xFF}
