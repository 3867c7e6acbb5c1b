"""Each reason is made on a real Asterisk or a real switch by some test."""

from pathlib import Path

import pytest

from stasis_offload.media.reasons import ReasonKind

TESTS = Path(__file__).parents[2]
PROOF = "".join(
    file.read_text(encoding="utf-8")
    for folder in ("e2e", "integration")
    for file in sorted((TESTS / folder).glob("test_*.py"))
)
# PJSIP turns RTCP on for every stream; of the channels that have RTP without it (UnicastRTP), Asterisk 22 corrupts its
# memory when their glue is asked. A defect is not made on purpose; tests/integration/test_media_session.py has one.
# Open vSwitch takes each flow of ours that there is room for, and without room it is table-full.
NOT_TO_BE_MADE = {ReasonKind.RTCP_OFF, ReasonKind.DEFECT, ReasonKind.SWITCH_REFUSED}


@pytest.mark.parametrize("kind", sorted(set(ReasonKind) - NOT_TO_BE_MADE))
def test_a_lab_or_integration_test_names_each_reason(kind: ReasonKind) -> None:
    assert any(name in PROOF for name in (f'"{kind}"', f'"{kind}:', f"Kind.{kind.name}"))
