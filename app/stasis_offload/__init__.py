"""stasis-offload: the Stasis application that owns a call and lets Open vSwitch carry its media."""
