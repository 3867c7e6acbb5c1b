"""Stasis application that owns two-party calls and moves their media out of Asterisk into Open vSwitch.

packets     bytes to values and back: addresses, frames, RTP, RTCP
asterisk    the only room that connects to Asterisk: ARI, and the CLI of our module
openflow    the only room that connects to the switch
signalling  Dial()'s rules as a pure state machine
media       where a call's RTP should flow, and why, as a pure state machine
calls       the runtime that feeds both machines and executes their commands

`signalling` and `media` never import each other, nor do `asterisk` and `openflow`; only `calls` and the files beside
this one import both of a pair. Start reading at service.py, which builds everything, or at media/machine.py, the
table of what moves a call's media.
"""
