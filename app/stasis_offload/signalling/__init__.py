"""Who is dialled, who answered, who hangs up: Dial()'s rules as a pure state machine."""
