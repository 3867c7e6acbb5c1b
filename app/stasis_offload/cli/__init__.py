"""The command line: prints a line or a table, or one sentence about what is wrong, with an exit status."""
