"""Bytes to values and back: addresses, frames, RTP, RTCP. Knows no call, no Asterisk, no switch."""
