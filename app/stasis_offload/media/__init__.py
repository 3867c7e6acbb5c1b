"""Where a call's RTP should flow, and why: reports, packets and counters in, flows out. Pure."""
