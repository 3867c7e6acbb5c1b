"""The two parties of a call are in different VLANs, which the switch joins as Asterisk does."""

from lab.capture import FROM_SWITCH
from stasis_offload.packets.frame import Tag
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, assert_carried, phones
from tests.support.phone import EDGE, sdp
from tests.support.wires import ASIDE_NODE2, ASIDE_PHONE, VLAN, tagged_vlan


def test_a_party_in_a_vlan_and_one_in_none_hear_each_other_by_the_switch() -> None:
    with tagged_vlan(), phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT, host=ASIDE_PHONE))
        port = call.alice.media.rpartition(":")[2]
        call.voices.set("bob", from_=f"{EDGE}:{BOB_PORT}", to=call.bob.media, ssrc=BOB)
        call.voices.set(
            "alice",
            from_=f"{ASIDE_PHONE}:{ALICE_PORT}",
            to=f"{ASIDE_NODE2}:{port}",
            ssrc=ALICE,
            vid=VLAN,
            pcp=0,
        )
        start, end = call.carried(), call.passed(1.0)
    assert_carried(call.capture, start, end)
    switched = {
        speaker: {packet.headers.tag for packet in call.capture.heard(speaker) if packet.ttl == FROM_SWITCH}
        for speaker in (BOB, ALICE)
    }
    assert switched == {BOB: {Tag(VLAN, pcp=0)}, ALICE: {None}}
