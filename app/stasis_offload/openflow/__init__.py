"""OpenFlow 1.3 over our own connection: bytes in `codec`, the wire in `channel`, the meaning in `switch`."""
