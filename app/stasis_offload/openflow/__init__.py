"""The OpenFlow room, the only one connected to the switch. Keeps each owner's flows in it; knows cookies, not calls."""
