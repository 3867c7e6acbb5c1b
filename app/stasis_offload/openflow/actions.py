"""Builders of actions that are Open vSwitch's own extensions (lib/ofp-actions.c)."""

from struct import Struct

from stasis_offload.openflow import ofp
from stasis_offload.openflow.oxm import LARGER_BIT, REG15

_NICIRA = 0x2320
_NXAST_REG_LOAD = 7
_NXAST_RESUBMIT_TABLE = 14
_NXAST_LEARN = 16
_NXAST_CHECK_PKT_LARGER = 49
_IN_PORT = 0xFFF8  # OFPP_IN_PORT of OpenFlow 1.0: as it came
_LEARN_SEND_FLOW_REM = 1
_LEARN_LOAD_VALUE = 1 << 11 | 1 << 13  # NX_LEARN_DST_LOAD, NX_LEARN_SRC_IMMEDIATE
_RESUBMIT = Struct("!HHIHHB3x")
_REG_LOAD = Struct("!HHIHH4sQ")
_LEARN = Struct("!HHIHHHHQHBxHH HH4sH6x")
_CHECK_LARGER = Struct("!HHIHHH4s6x")


def resubmit(table: int) -> bytes:
    """Look the packet up in a table, and carry out what is found (NXAST_RESUBMIT_TABLE)."""
    return _RESUBMIT.pack(
        ofp.OFPAT_EXPERIMENTER, _RESUBMIT.size, _NICIRA, _NXAST_RESUBMIT_TABLE, _IN_PORT, table
    )


def set_bit(bit: int) -> bytes:
    """Set a bit of the register, and leave the others (NXAST_REG_LOAD)."""
    return _REG_LOAD.pack(
        ofp.OFPAT_EXPERIMENTER,
        _REG_LOAD.size,
        _NICIRA,
        _NXAST_REG_LOAD,
        bit << 6,  # where the bits begin, times 64, and how many there are, less one
        REG15.header,
        1,
    )


def check_larger(size: int) -> bytes:
    """Set LARGER_BIT if the packet's frame is larger than `size` bytes, else clear it (struct nx_action_check_pkt_larger)."""
    return _CHECK_LARGER.pack(
        ofp.OFPAT_EXPERIMENTER,
        _CHECK_LARGER.size,
        _NICIRA,
        _NXAST_CHECK_PKT_LARGER,
        size,
        LARGER_BIT,
        REG15.header,
    )


def learn_bit(*, table: int, bit: int, cookie: int, hard_timeout: int) -> bytes:
    """Add a flow that sets a bit of the register for every packet, or restart its timeout (struct nx_action_learn).

    The switch reports its end.
    """
    return _LEARN.pack(
        ofp.OFPAT_EXPERIMENTER,
        _LEARN.size,
        _NICIRA,
        _NXAST_LEARN,
        0,  # idle timeout
        hard_timeout,
        0,  # priority
        cookie,
        _LEARN_SEND_FLOW_REM,
        table,
        0,  # idle and hard timeout once a TCP connection has ended: as before
        0,
        _LEARN_LOAD_VALUE | 1,  # one bit ...
        1,  # ... of this value
        REG15.header,
        bit,
    )
