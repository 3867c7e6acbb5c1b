"""Builders of OpenFlow 1.3 messages. Flow-mods are built in `flowmod`.

Every function takes the transaction id and returns bytes. All messages of one transaction carry the same id,
so that an error about any of them reaches the request that waits.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

from stasis_offload.openflow import flowmod, ofp
from stasis_offload.openflow.abilities import Trial
from stasis_offload.openflow.flow import LEARNING_BYTES, Flow
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.instance import Instance

_BUNDLE_FLAGS = ofp.ONF_BF_ATOMIC | ofp.ONF_BF_ORDERED

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_VERSION_BITMAP = Struct(ofp.OFP_HELLO_ELEM_VERSIONBITMAP_HEADER_PACK_STR + "I")
_NO_PACKET = bytes.fromhex("000000000000 000000000000 88b5")  # of an EtherType for experiments (RFC 9542, B)
_ERROR = Struct(ofp.OFP_ERROR_MSG_PACK_STR)
_CONFIG = Struct(ofp.OFP_SWITCH_CONFIG_PACK_STR)
_MULTIPART = Struct(ofp.OFP_MULTIPART_REQUEST_PACK_STR)
_STATS_REQUEST = Struct(ofp.OFP_FLOW_STATS_REQUEST_0_PACK_STR)
_EVERY_PACKET = Struct("!HH4x").pack(ofp.OFPMT_OXM, 4)
_PACKET_OUT = Struct(ofp.OFP_PACKET_OUT_PACK_STR)
_EXPERIMENTER = Struct(ofp.OFP_EXPERIMENTER_HEADER_PACK_STR)
_BUNDLE_CONTROL = Struct(ofp.ONF_BUNDLE_CTRL_PACK_STR)
_BUNDLE_ADD = Struct(ofp.ONF_BUNDLE_ADD_MSG_PACK_STR)


def hello(xid: int) -> bytes:
    """Offer OpenFlow 1.3 alone, in a version bitmap, which os_ken's OFPHello omits."""
    bitmap = _VERSION_BITMAP.pack(ofp.OFPHET_VERSIONBITMAP, _VERSION_BITMAP.size, 1 << ofp.OFP_VERSION)
    return _message(xid, ofp.OFPT_HELLO, bitmap)


def hello_failed(xid: int) -> bytes:
    """Report that there is no common version (OpenFlow 1.3.5, 6.3.1)."""
    text = b"only OpenFlow 1.3"
    return _message(xid, ofp.OFPT_ERROR, _ERROR.pack(ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE) + text)


def echo_request(xid: int) -> bytes:
    """Request an echo, to detect a dead peer."""
    return _message(xid, ofp.OFPT_ECHO_REQUEST, b"")


def echo_reply(xid: int, payload: bytes) -> bytes:
    """Return the payload of an echo request."""
    return _message(xid, ofp.OFPT_ECHO_REPLY, payload)


def barrier(xid: int) -> bytes:
    """Request a reply when everything sent before has been processed (7.3.8)."""
    return _message(xid, ofp.OFPT_BARRIER_REQUEST, b"")


def config_request(xid: int) -> bytes:
    """Request the switch's configuration."""
    return _message(xid, ofp.OFPT_GET_CONFIG_REQUEST, b"")


def subscribe(xid: int, *, flags: int) -> bytes:
    """Subscribe to packet-in, flow-removed and port-status; `flags` are the switch's, how it handles fragments, and stay.

    OVS sends none of them on a bridge's management socket while miss_send_len is 0, the initial value there
    (ovs-vswitchd, ofproto/connmgr.c).
    """
    return _message(xid, ofp.OFPT_SET_CONFIG, _CONFIG.pack(flags, LEARNING_BYTES))


def features_request(xid: int) -> bytes:
    """Request the datapath id."""
    return _message(xid, ofp.OFPT_FEATURES_REQUEST, b"")


def description_request(xid: int) -> bytes:
    """Request the descriptions of manufacturer, hardware, software and datapath."""
    return _message(xid, ofp.OFPT_MULTIPART_REQUEST, _MULTIPART.pack(ofp.OFPMP_DESC, 0))


def ports_request(xid: int) -> bytes:
    """Request the ports of the bridge."""
    return _message(xid, ofp.OFPT_MULTIPART_REQUEST, _MULTIPART.pack(ofp.OFPMP_PORT_DESC, 0))


def flow_stats_request(xid: int, cookies: Cookies, *, table: int = ofp.OFPTT_ALL) -> bytes:
    """Request the counters of flows, by their cookies, of one table or of every one."""
    of_any = (table, ofp.OFPP_ANY, ofp.OFPG_ANY)
    request = _STATS_REQUEST.pack(*of_any, cookies.value, cookies.mask) + _EVERY_PACKET
    return _message(xid, ofp.OFPT_MULTIPART_REQUEST, _MULTIPART.pack(ofp.OFPMP_FLOW, 0) + request)


def table_features_request(xid: int) -> bytes:
    """Request what every table can do (7.3.5.5), which changes nothing: the request names no table."""
    return _message(xid, ofp.OFPT_MULTIPART_REQUEST, _MULTIPART.pack(ofp.OFPMP_TABLE_FEATURES, 0))


def table_stats_request(xid: int) -> bytes:
    """Request how many flows every table has (7.3.5.4)."""
    return _message(xid, ofp.OFPT_MULTIPART_REQUEST, _MULTIPART.pack(ofp.OFPMP_TABLE, 0))


def packet_out(xid: int, instance: Instance, *, in_port: int, frame: bytes) -> bytes:
    """Let a packet go the bridge's own way, as if it had come in by a port; no flow of this instance matches it."""
    return _packet_out(xid, in_port, flowmod.own_way_past_gate(instance), frame)


def gate(xid: int, instance: Instance, *, cookie: int, hard_timeout: int) -> bytes:
    """Add the gate to our table, or add it again (gate.py)."""
    return flowmod.gate(xid, instance, cookie=cookie, hard_timeout=hard_timeout)


def lease(xid: int, instance: Instance, *, cookie: int, hard_timeout: int) -> bytes:
    """Begin the gate's lease, or renew it, by a packet that goes nowhere (gate.py)."""
    action = flowmod.lease(instance, cookie=cookie, hard_timeout=hard_timeout)
    return _packet_out(xid, ofp.OFPP_CONTROLLER, action, _NO_PACKET)


def table_miss(xid: int) -> bytes:
    """Have the switch forward what no flow of table 0 takes, unless a flow says otherwise (table_miss.py)."""
    return flowmod.table_miss(xid)


def change_flows(xid: int, *, remove: Iterable[Cookies] = (), add: Iterable[Flow] = ()) -> bytes:
    """Change flows one by one."""
    return b"".join(_changes(xid, remove, add))


def stage_bundle(xid: int, *, remove: Iterable[Cookies] = (), add: Iterable[Flow] = ()) -> bytes:
    """Open an atomic bundle and stage the changes; the transaction id is also the bundle's id."""
    return _stage(xid, _changes(xid, remove, add))


def stage_trial(xid: int, instance: Instance, trial: Trial) -> bytes:
    """Open an atomic bundle and stage a flow of a trial."""
    return _stage(xid, [flowmod.trial(xid, instance, trial.fields, trial.actions)])


def _stage(xid: int, messages: Iterable[bytes]) -> bytes:
    staged = (_bundled(xid, message) for message in messages)
    return _bundle_control(xid, xid, ofp.ONF_BCT_OPEN_REQUEST) + b"".join(staged)


def commit_bundle(xid: int, bundle: int) -> bytes:
    """Commit a bundle: all of its changes at once, or none."""
    return _bundle_control(xid, bundle, ofp.ONF_BCT_COMMIT_REQUEST)


def discard_bundle(xid: int, bundle: int) -> bytes:
    """Discard a bundle."""
    return _bundle_control(xid, bundle, ofp.ONF_BCT_DISCARD_REQUEST)


def _message(xid: int, kind: int, body: bytes) -> bytes:
    return _HEADER.pack(ofp.OFP_VERSION, kind, _HEADER.size + len(body), xid) + body


def _packet_out(xid: int, in_port: int, actions: bytes, frame: bytes) -> bytes:
    fixed = _PACKET_OUT.pack(ofp.OFP_NO_BUFFER, in_port, len(actions))
    return _message(xid, ofp.OFPT_PACKET_OUT, fixed + actions + frame)


def _experimenter(xid: int, kind: int, data: bytes) -> bytes:
    return _message(xid, ofp.OFPT_EXPERIMENTER, _EXPERIMENTER.pack(ofp.ONF_EXPERIMENTER_ID, kind) + data)


def _bundle_control(xid: int, bundle: int, what: int) -> bytes:
    return _experimenter(xid, ofp.ONF_ET_BUNDLE_CONTROL, _BUNDLE_CONTROL.pack(bundle, what, _BUNDLE_FLAGS))


def _bundled(xid: int, change: bytes) -> bytes:
    return _experimenter(xid, ofp.ONF_ET_BUNDLE_ADD_MESSAGE, _BUNDLE_ADD.pack(xid, _BUNDLE_FLAGS) + change)


def _changes(xid: int, remove: Iterable[Cookies], add: Iterable[Flow]) -> Iterator[bytes]:
    # Removals come first: a flow that changed is removed and added under the same cookie.
    for cookies in remove:
        yield flowmod.removal(xid, cookies)
    for flow in add:
        yield flowmod.addition(xid, flow)
