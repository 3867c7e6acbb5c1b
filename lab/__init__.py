"""The lab: real Asterisk and Open vSwitch in containers, and what drives and judges them."""
