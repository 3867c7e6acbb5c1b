"""Which sizes are a leg's audio."""

import pytest

from stasis_offload.media.sizes import is_of_constant_size, least_audio

# RTP header and one digit (RFC 4733 2.3), a SID frame of G.729, 10 ms of G.729.
DIGIT, SID, SHORTEST = 16, 14, 22


@pytest.mark.parametrize(("codec", "observed"), [("ulaw", 172), ("alaw", 92), ("g722", 332), ("gsm", 45)])
def test_all_audio_of_a_constant_codec_is_as_large_as_one_packet_of_it(codec: str, observed: int) -> None:
    least = least_audio(codec, observed)
    assert least == observed
    assert is_of_constant_size(least)


@pytest.mark.parametrize(("codec", "observed"), [("g729", 32), ("opus", 90), ("ulaw", 0), ("ulaw", DIGIT)])
def test_of_any_other_only_digits_and_silence_are_small(codec: str, observed: int) -> None:
    least = least_audio(codec, observed)
    assert SID < DIGIT < least <= SHORTEST
    assert not is_of_constant_size(least)
