"""The only room that connects to Asterisk. It reports and executes; it never decides."""
