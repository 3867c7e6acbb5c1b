"""An extensions.conf, read as Asterisk reads it, and what of it can move to the application: pure, no I/O."""
