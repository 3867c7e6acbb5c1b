"""The E-model (ITU-T G.107) with all but codec, loss and delay at its defaults; without published figures, no score.

The delay term is the usual straight-line form of G.107's Idd (Cole and Rosenbluth, 2001). Loss is taken as random
(BurstR 1), the advantage factor as 0.
"""

from dataclasses import dataclass

# RTP clock rates (Hz) by Asterisk's format names. G.722 samples at 16 kHz and is counted at 8 (RFC 3551 4.5.2).
CLOCK_RATES = {
    **dict.fromkeys(("ulaw", "alaw", "g722", "g723", "g726", "g726aal2", "g729"), 8000),
    **dict.fromkeys(("gsm", "ilbc", "adpcm", "lpc10", "slin", "speex"), 8000),
    "slin12": 12000,
    "slin16": 16000,
    "speex16": 16000,
    "siren7": 16000,
    "slin24": 24000,
    "slin32": 32000,
    "speex32": 32000,
    "siren14": 32000,
    "slin44": 44100,
    "slin48": 48000,
    "g719": 48000,
    "opus": 48000,
    "slin96": 96000,
    "slin192": 192000,
}

_BEST = 93.2  # R with every parameter at its default (G.107 7.7)


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec costs: `ie` on the scale of R without loss, `bpl` how well it hides loss (more is better)."""

    ie: float
    bpl: float


# ITU-T G.113 (11/2007), Appendix I, Table I.4, the only one that has both figures. Its G.711 conceals loss (G.711
# Appendix I), its G.729 is Annex A with VAD, its G.723.1 the 6.3 kbit/s one with VAD. Not here, so never scored:
# GSM full rate (an Ie of 20 and no Bpl), iLBC, and what is not narrowband, which R up to 93.2 cannot express
# (G.722 is rated on the scale of G.107.1, Opus by neither).
IMPAIRMENTS = {
    "ulaw": Impairment(ie=0, bpl=25.1),
    "alaw": Impairment(ie=0, bpl=25.1),
    "g729": Impairment(ie=11, bpl=19.0),
    "g723": Impairment(ie=15, bpl=16.1),
}


def rating(impairment: Impairment, *, loss: float, delay_ms: float) -> float:
    """Return R (G.107 7.1): 93.2 at best, negative at worst.

    `loss` is the fraction of packets, 0 to 1; `delay_ms` one way from mouth to ear.
    """
    percent = 100 * loss
    equipment = impairment.ie + (95 - impairment.ie) * percent / (percent + impairment.bpl)
    delay = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    return _BEST - delay - equipment


def mos(r: float) -> float:
    """Return the mean opinion score of R: 1 to 4.5 (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:  # noqa: PLR2004 - the end of the scale of R
        return 4.5
    # Below R 6.5 the polynomial leaves the scale of MOS by some hundredths.
    return max(1.0, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))
