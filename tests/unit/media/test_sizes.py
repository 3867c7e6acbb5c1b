"""Which sizes are a leg's audio."""

import pytest

from stasis_offload.media.sizes import least_audio


@pytest.mark.parametrize(("codec", "observed"), [("ulaw", 172), ("alaw", 92), ("g722", 332), ("gsm", 45)])
def test_all_audio_of_a_constant_codec_is_as_large_as_one_packet_of_it(codec: str, observed: int) -> None:
    assert least_audio(codec, observed) == observed


@pytest.mark.parametrize(("codec", "observed"), [("g729", 32), ("opus", 90), ("codec2", 18), ("ulaw", 0)])
def test_of_any_other_the_size_tells_nothing(codec: str, observed: int) -> None:
    assert least_audio(codec, observed) == 0
