"""Bytes to values and back: addresses, frames, RTP, RTCP. Independent of calls, Asterisk and the switch."""
