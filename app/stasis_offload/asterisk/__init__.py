"""The only room that talks to Asterisk. It reports and executes; it never decides."""
