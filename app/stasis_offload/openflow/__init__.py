"""The only room that talks to the switch. Makes it hold the flows an owner wants; knows cookies, not calls."""
