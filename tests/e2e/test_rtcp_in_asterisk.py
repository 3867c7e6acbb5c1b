"""`media.rtcp = "asterisk"`: reports end in Asterisk, as they do when it relays."""

from lab import control
from lab.capture import FROM_ASTERISK, NODE2
from tests.support.applications import application
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, assert_carried, conversation
from tests.support.network import route_by_router, second_router
from tests.support.phone import EDGE

# Asterisk reports every 5 s (rtp.conf, rtcpinterval), the phones ten times as often; the first audit is later.
REPORTED_WITHIN = 7.0
PHONES_REPORT_EVERY = 0.5


def test_each_phone_gets_the_reports_of_asterisk_alone_and_these_tell_of_a_new_route() -> None:
    with application(MEDIA__RTCP="asterisk"), second_router(used=False) as router, conversation() as call:
        for speaker in ("bob", "alice"):
            call.voices.set(speaker, rtcp=PHONES_REPORT_EVERY)
        start = call.carried()
        end = call.passed(REPORTED_WITHIN)
        quality = control.calls()[0]["quality"]
        route_by_router()
        changed = call.passed(0.0)
        assert call.returned("route-changed:caller", "route-changed:callee") < changed + REPORTED_WITHIN
        carried, stop = call.carried(), call.passed(0.2)
    assert_carried(call.capture, start, end)
    for port in (ALICE_PORT + 1, BOB_PORT + 1):
        reports = [each.datagram for each in call.capture.rtcp if each.arrived and start <= each.at < end]
        got = [report for report in reports if report.destination.port == port]
        assert 1 <= len(got) <= 1 + REPORTED_WITHIN / 4
        assert {(str(report.source.host), report.ttl) for report in got} == {(NODE2, FROM_ASTERISK)}
        assert {str(report.destination.host) for report in got} == {EDGE}
    for leg in ("caller", "callee"):
        assert {key for key, value in quality[leg].items() if value is not None} <= {"upstream_loss"}
    for ssrc in (BOB, ALICE):
        late = [packet for packet in call.capture.heard(ssrc) if carried < packet.at < stop]
        assert {packet.headers.eth_src for packet in late} == {router}
