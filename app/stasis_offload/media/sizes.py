"""What of a leg's packets is audio, by their size: anything smaller is for Asterisk.

Digits, comfort noise, STUN, ZRTP and keepalives come by the same addresses as the audio. Asterisk's native bridge
passes on what of them it should, with the payload type of the other leg; the rest it answers or drops.
"""

# Every packet of these has the same size as long as their packet time does (RFC 3551 4.5; names of Asterisk's formats).
_CONSTANT = frozenset(
    {"ulaw", "alaw", "g722", "g726", "g726aal2", "gsm", "slin", "slin16", "siren7", "siren14"}
)


def is_constant(codec: str) -> bool:
    """Return whether all packets of a codec (a name of Asterisk's formats) have one size while their packet time does."""
    return codec in _CONSTANT


def least_audio(codec: str, observed: int) -> int:
    """Return the least UDP payload (bytes) of a leg's audio, one packet of which has the size `observed`.

    0 if the size does not tell: the codec's packets differ in size, or `observed` is 0, because none was observed.
    """
    return observed if is_constant(codec) else 0
