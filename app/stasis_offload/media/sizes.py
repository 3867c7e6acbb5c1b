"""What of a leg's packets is audio, by their size: anything smaller is for Asterisk.

Digits, comfort noise, STUN, ZRTP and keepalives come by the same addresses as the audio. Asterisk's native bridge
passes on what of them it should, with the payload type of the other leg; the rest it answers or drops.
"""

from stasis_offload.packets.rtp import HEADER_SIZE

# Every packet of these has the same size as long as their packet time does (RFC 3551 4.5; names of Asterisk's formats).
_CONSTANT = frozenset(
    {"ulaw", "alaw", "g722", "g726", "g726aal2", "gsm", "slin", "slin16", "siren7", "siren14"}
)
# Bytes. A digit is 4 (RFC 4733 2.3), comfort noise at least 1 (RFC 3389 3), a SID frame of G.729 2 and of G.723 4
# (RFC 3551 4.5.6, 4.5.3); the smallest audio is 10 ms of G.729: 10.
_LARGEST_OTHER = 6
_LEAST = HEADER_SIZE + _LARGEST_OTHER + 1


def least_audio(codec: str, observed: int) -> int:
    """Return the least UDP payload (bytes) of a leg's audio, one packet of which has the size `observed`.

    `observed` 0: the size of its audio is not known yet.
    """
    if codec in _CONSTANT and observed > _LEAST:
        return observed
    return _LEAST


def is_of_constant_size(least: int) -> bool:
    """Return whether all audio of a leg has the size that `least_audio` returned, as long as its packet time does."""
    return least > _LEAST
