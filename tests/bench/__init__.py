"""The benchmark: what a move costs a call, and what relaying costs a host, measured on the wire. `make bench` runs it."""
