"""Phones in great number: real SIP or rtpengine's protocol, and RTP; the standard library alone, to run anywhere."""
