"""What the lab's phones report of what they hear."""

import struct

from lab.reception import RTP, Heard

SSRC = 0xA11CE


def reported(*sequences: int) -> tuple[int, int]:
    """Return the packets lost and the highest number that is reported after packets of these numbers."""
    heard = Heard()
    for number, sequence in enumerate(sequences):
        heard.rtp(RTP.pack(0x80, 0, sequence, 160 * number, SSRC), number / 50)
    _, lost, highest, *_ = struct.unpack("!IIIIII", heard.block(1.0))
    return lost & 0xFFFFFF, highest


def test_a_packet_of_other_numbers_is_none_of_the_stream_whether_it_is_ahead_or_behind() -> None:
    for other in (30_000, 50_000):
        assert reported(1, 2, other, 3, 4, 6) == (1, 6)
        assert reported(other, 1, 2, 3, 5) == (1, 5)


def test_a_stream_that_jumps_begins_anew_with_its_second_packet() -> None:
    assert reported(1, 2, 3, 20_000, 20_001, 20_002) == (0, 20_002)


def test_what_is_late_is_not_lost_and_numbers_run_over() -> None:
    assert reported(65_533, 65_535, 65_534, 0, 1) == (0, 65_537)
