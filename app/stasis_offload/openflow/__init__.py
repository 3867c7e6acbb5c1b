"""OpenFlow 1.3 over our own connection: bytes in `encode` and `decode`, the wire in `channel`, calls in `switch`."""
