"""What a Homer collector is told of a call that the switch carries: Kamailio reads it, beside what Asterisk itself sends."""

import pytest

from lab import control
from lab.control import wait_until
from stasis_offload.media.path import Leg
from stasis_offload.packets.hep import Kind
from tests.support.applications import application
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, conversation
from tests.support.homer import ASTERISKS_ID, COLLECTOR, COLLECTOR_V6, SIP, Told, asterisk_reports, homer
from tests.support.phone import EDGE

OURS = 77
PASSWORD = "lab-homer"
SETTINGS = {
    "HEP__CAPTURE_ADDRESS": COLLECTOR,
    "HEP__CAPTURE_ID": str(OURS),
    "HEP__CAPTURE_PASSWORD": PASSWORD,
}
SPEAKERS = {f"{EDGE}:{BOB_PORT}": ALICE, f"{EDGE}:{ALICE_PORT}": BOB}
PHONES_REPORT_EVERY = 0.5
# Packets that Open vSwitch may not have counted yet when a flow goes: it collects its datapath's counters each 0.5 s.
UNCOUNTED = 30 * control.BUSY


def statement(told: Told) -> tuple[object, ...]:
    """What a report says of the reception, with whose it is: all that Asterisk has right."""
    blocks = [tuple(block.values()) for block in told.json["report_blocks"]]
    sent = told.json["sender_information"] or {}
    return (
        told.source,
        told.destination,
        told.correlation_id,
        told.json["type"],
        sent.get("rtp_timestamp"),
        sent.get("packets"),
        tuple(blocks),
    )


@pytest.mark.parametrize("rtcp", [False, True])
def test_each_leg_is_reported_under_the_call_id_of_its_sip(*, rtcp: bool) -> None:
    with (
        homer() as collector,
        asterisk_reports(),
        application(**SETTINGS, HEP__RTCP=str(rtcp).lower(), MEDIA__RECHECK=1),
        conversation() as call,
    ):
        for speaker in ("bob", "alice"):
            call.voices.set(speaker, rtcp=PHONES_REPORT_EVERY)
        call.carried()
        wait_until(
            lambda: all(leg["mos"] for leg in control.calls()[0]["quality"].values()),
            within=30,
            what="a MOS of both legs",
        )
        audited = len(collector.told(kind=Kind.RTP_REPORT)) + 2
        wait_until(
            lambda: len(collector.told(kind=Kind.RTP_REPORT)) >= audited, within=30, what="the next audit"
        )
        during = collector.told(kind=Kind.RTCP, agent=OURS)  # at the end Asterisk may not read one any more
        call.bob.hang_up()
        wait_until(
            lambda: sum('"HANGUP"' in told.payload for told in collector.told(agent=OURS)) >= len(Leg),
            within=20,
            what="the last report on each leg",
        )
        told = collector.told()
    ours = [each for each in told if each.agent == OURS]
    assert {each.password for each in ours} == {PASSWORD}

    # Asterisk sends SIP under its Call-ID: the leg of that phone.
    invites = [each for each in told if each.kind == SIP and each.payload.startswith("INVITE ")]
    by_call_id = {
        each.correlation_id: BOB_PORT if each.source.startswith(EDGE) else ALICE_PORT for each in invites
    }
    assert sorted(by_call_id.values()) == [BOB_PORT, ALICE_PORT]

    asterisks = [each for each in told if each.kind == Kind.RTCP and each.agent == ASTERISKS_ID]
    reports = [each for each in ours if each.kind == Kind.RTP_REPORT]
    for call_id, port in by_call_id.items():
        of_leg = [each for each in reports if each.correlation_id == call_id]
        assert {each.destination for each in of_leg} == {f"{EDGE}:{port}"}
        assert [each.json["TYPE"] for each in of_leg] == ["PERIODIC"] * (len(of_leg) - 1) + ["HANGUP"]
        last = of_leg[-1].json
        assert int(last["SSRC"], 16) == SPEAKERS[f"{EDGE}:{port}"]
        assert last["CODEC_NAME"] == "ulaw"
        assert 1 <= last["MOS"] < 4.5
        heard = [packet for packet in call.capture.heard(SPEAKERS[f"{EDGE}:{port}"]) if packet.by_switch]
        said = call.capture.said(SPEAKERS[f"{EDGE}:{port}"])
        assert len(heard) - UNCOUNTED <= last["EXPECTED_PK"] <= len(said)
        assert last["TOTAL_PK"] + last["PACKET_LOSS"] == last["EXPECTED_PK"]
        jitters = {
            round(block["ia_jitter"] / 8, 3)  # of 8,000 a second, in ms
            for each in asterisks
            if each.correlation_id == call_id
            for block in each.json["report_blocks"]
        }
        assert of_leg[-2].json["JITTER"] in jitters
    assert {each.correlation_id for each in reports} == set(by_call_id)

    if not rtcp:
        assert not any(each.kind == Kind.RTCP for each in ours)
        return
    assert {each.correlation_id for each in during} == set(by_call_id)
    assert {statement(each) for each in during} <= set(map(statement, asterisks))
    assert {each.json["ssrc"] for each in during} == {BOB, ALICE}


def test_a_collector_that_is_reached_by_ipv6_is_told_of_the_legs_of_a_call_over_ipv4() -> None:
    with (
        homer() as collector,
        application(**SETTINGS | {"HEP__CAPTURE_ADDRESS": COLLECTOR_V6}, MEDIA__RECHECK=1),
        conversation() as call,
    ):
        call.carried()
        call.bob.hang_up()
        wait_until(
            lambda: sum('"HANGUP"' in told.payload for told in collector.told(agent=OURS)) >= len(Leg),
            within=20,
            what="the last report on each leg",
        )
        told = collector.told()
    assert {(each.kind, each.agent, each.password) for each in told} == {(Kind.RTP_REPORT, OURS, PASSWORD)}
    assert {each.destination for each in told} == set(SPEAKERS)
