"""The names of OpenFlow 1.3's messages (7.1.1) and errors (7.4.4), and of the ONF extensions' errors, for error texts.

os_ken has them too; it and what it depends on would be most of an installation, so it is of the tests, which compare.
"""

MESSAGES = (
    "OFPT_HELLO",
    "OFPT_ERROR",
    "OFPT_ECHO_REQUEST",
    "OFPT_ECHO_REPLY",
    "OFPT_EXPERIMENTER",
    "OFPT_FEATURES_REQUEST",
    "OFPT_FEATURES_REPLY",
    "OFPT_GET_CONFIG_REQUEST",
    "OFPT_GET_CONFIG_REPLY",
    "OFPT_SET_CONFIG",
    "OFPT_PACKET_IN",
    "OFPT_FLOW_REMOVED",
    "OFPT_PORT_STATUS",
    "OFPT_PACKET_OUT",
    "OFPT_FLOW_MOD",
    "OFPT_GROUP_MOD",
    "OFPT_PORT_MOD",
    "OFPT_TABLE_MOD",
    "OFPT_MULTIPART_REQUEST",
    "OFPT_MULTIPART_REPLY",
    "OFPT_BARRIER_REQUEST",
    "OFPT_BARRIER_REPLY",
    "OFPT_QUEUE_GET_CONFIG_REQUEST",
    "OFPT_QUEUE_GET_CONFIG_REPLY",
    "OFPT_ROLE_REQUEST",
    "OFPT_ROLE_REPLY",
    "OFPT_GET_ASYNC_REQUEST",
    "OFPT_GET_ASYNC_REPLY",
    "OFPT_SET_ASYNC",
    "OFPT_METER_MOD",
)
"""By their types."""

ERRORS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: (
        "OFPET_HELLO_FAILED",
        (
            "OFPHFC_INCOMPATIBLE",
            "OFPHFC_EPERM",
        ),
    ),
    1: (
        "OFPET_BAD_REQUEST",
        (
            "OFPBRC_BAD_VERSION",
            "OFPBRC_BAD_TYPE",
            "OFPBRC_BAD_MULTIPART",
            "OFPBRC_BAD_EXPERIMENTER",
            "OFPBRC_BAD_EXP_TYPE",
            "OFPBRC_EPERM",
            "OFPBRC_BAD_LEN",
            "OFPBRC_BUFFER_EMPTY",
            "OFPBRC_BUFFER_UNKNOWN",
            "OFPBRC_BAD_TABLE_ID",
            "OFPBRC_IS_SLAVE",
            "OFPBRC_BAD_PORT",
            "OFPBRC_BAD_PACKET",
            "OFPBRC_MULTIPART_BUFFER_OVERFLOW",
        ),
    ),
    2: (
        "OFPET_BAD_ACTION",
        (
            "OFPBAC_BAD_TYPE",
            "OFPBAC_BAD_LEN",
            "OFPBAC_BAD_EXPERIMENTER",
            "OFPBAC_BAD_EXP_TYPE",
            "OFPBAC_BAD_OUT_PORT",
            "OFPBAC_BAD_ARGUMENT",
            "OFPBAC_EPERM",
            "OFPBAC_TOO_MANY",
            "OFPBAC_BAD_QUEUE",
            "OFPBAC_BAD_OUT_GROUP",
            "OFPBAC_MATCH_INCONSISTENT",
            "OFPBAC_UNSUPPORTED_ORDER",
            "OFPBAC_BAD_TAG",
            "OFPBAC_BAD_SET_TYPE",
            "OFPBAC_BAD_SET_LEN",
            "OFPBAC_BAD_SET_ARGUMENT",
        ),
    ),
    3: (
        "OFPET_BAD_INSTRUCTION",
        (
            "OFPBIC_UNKNOWN_INST",
            "OFPBIC_UNSUP_INST",
            "OFPBIC_BAD_TABLE_ID",
            "OFPBIC_UNSUP_METADATA",
            "OFPBIC_UNSUP_METADATA_MASK",
            "OFPBIC_BAD_EXPERIMENTER",
            "OFPBIC_BAD_EXP_TYPE",
            "OFPBIC_BAD_LEN",
            "OFPBIC_EPERM",
        ),
    ),
    4: (
        "OFPET_BAD_MATCH",
        (
            "OFPBMC_BAD_TYPE",
            "OFPBMC_BAD_LEN",
            "OFPBMC_BAD_TAG",
            "OFPBMC_BAD_DL_ADDR_MASK",
            "OFPBMC_BAD_NW_ADDR_MASK",
            "OFPBMC_BAD_WILDCARDS",
            "OFPBMC_BAD_FIELD",
            "OFPBMC_BAD_VALUE",
            "OFPBMC_BAD_MASK",
            "OFPBMC_BAD_PREREQ",
            "OFPBMC_DUP_FIELD",
            "OFPBMC_EPERM",
        ),
    ),
    5: (
        "OFPET_FLOW_MOD_FAILED",
        (
            "OFPFMFC_UNKNOWN",
            "OFPFMFC_TABLE_FULL",
            "OFPFMFC_BAD_TABLE_ID",
            "OFPFMFC_OVERLAP",
            "OFPFMFC_EPERM",
            "OFPFMFC_BAD_TIMEOUT",
            "OFPFMFC_BAD_COMMAND",
            "OFPFMFC_BAD_FLAGS",
        ),
    ),
    6: (
        "OFPET_GROUP_MOD_FAILED",
        (
            "OFPGMFC_GROUP_EXISTS",
            "OFPGMFC_INVALID_GROUP",
            "OFPGMFC_WEIGHT_UNSUPPORTED",
            "OFPGMFC_OUT_OF_GROUPS",
            "OFPGMFC_OUT_OF_BUCKETS",
            "OFPGMFC_CHAINING_UNSUPPORTED",
            "OFPGMFC_WATCH_UNSUPPORTED",
            "OFPGMFC_LOOP",
            "OFPGMFC_UNKNOWN_GROUP",
            "OFPGMFC_CHAINED_GROUP",
            "OFPGMFC_BAD_TYPE",
            "OFPGMFC_BAD_COMMAND",
            "OFPGMFC_BAD_BUCKET",
            "OFPGMFC_BAD_WATCH",
            "OFPGMFC_EPERM",
        ),
    ),
    7: (
        "OFPET_PORT_MOD_FAILED",
        (
            "OFPPMFC_BAD_PORT",
            "OFPPMFC_BAD_HW_ADDR",
            "OFPPMFC_BAD_CONFIG",
            "OFPPMFC_BAD_ADVERTISE",
            "OFPPMFC_EPERM",
        ),
    ),
    8: (
        "OFPET_TABLE_MOD_FAILED",
        (
            "OFPTMFC_BAD_TABLE",
            "OFPTMFC_BAD_CONFIG",
            "OFPTMFC_EPERM",
        ),
    ),
    9: (
        "OFPET_QUEUE_OP_FAILED",
        (
            "OFPQOFC_BAD_PORT",
            "OFPQOFC_BAD_QUEUE",
            "OFPQOFC_EPERM",
        ),
    ),
    10: (
        "OFPET_SWITCH_CONFIG_FAILED",
        (
            "OFPSCFC_BAD_FLAGS",
            "OFPSCFC_BAD_LEN",
            "OFPSCFC_EPERM",
        ),
    ),
    11: (
        "OFPET_ROLE_REQUEST_FAILED",
        (
            "OFPRRFC_STALE",
            "OFPRRFC_UNSUP",
            "OFPRRFC_BAD_ROLE",
        ),
    ),
    12: (
        "OFPET_METER_MOD_FAILED",
        (
            "OFPMMFC_UNKNOWN",
            "OFPMMFC_METER_EXISTS",
            "OFPMMFC_INVALID_METER",
            "OFPMMFC_UNKNOWN_METER",
            "OFPMMFC_BAD_COMMAND",
            "OFPMMFC_BAD_FLAGS",
            "OFPMMFC_BAD_RATE",
            "OFPMMFC_BAD_BURST",
            "OFPMMFC_BAD_BAND",
            "OFPMMFC_BAD_BAND_VALUE",
            "OFPMMFC_OUT_OF_METERS",
            "OFPMMFC_OUT_OF_BANDS",
        ),
    ),
    13: (
        "OFPET_TABLE_FEATURES_FAILED",
        (
            "OFPTFFC_BAD_TABLE",
            "OFPTFFC_BAD_METADATA",
            "OFPTFFC_BAD_TYPE",
            "OFPTFFC_BAD_LEN",
            "OFPTFFC_BAD_ARGUMENT",
            "OFPTFFC_EPERM",
        ),
    ),
}
"""By their types: the name, and those of its codes."""

ONF_ERRORS = {
    2300: "ONFERR_ET_UNKNOWN",
    2301: "ONFERR_ET_EPERM",
    2302: "ONFERR_ET_BAD_ID",
    2303: "ONFERR_ET_BUNDLE_EXIST",
    2304: "ONFERR_ET_BUNDLE_CLOSED",
    2305: "ONFERR_ET_OUT_OF_BUNDLES",
    2306: "ONFERR_ET_BAD_TYPE",
    2307: "ONFERR_ET_BAD_FLAGS",
    2308: "ONFERR_ET_MSG_BAD_LEN",
    2309: "ONFERR_ET_MSG_BAD_XID",
    2310: "ONFERR_ET_MSG_UNSUP",
    2311: "ONFERR_ET_MSG_CONFLICT",
    2312: "ONFERR_ET_MSG_TOO_MANY",
    2313: "ONFERR_ET_FAILED",
    2314: "ONFERR_ET_TIMEOUT",
    2315: "ONFERR_ET_BUNDLE_IN_PROGRESS",
    2320: "ONFERR_ET_CANT_SYNC",
    2360: "ONFERR_ET_BAD_PRIORITY",
    2370: "ONFERR_ET_ASYNC_INVALUD",
    2371: "ONFERR_ET_ASYNC_UNSUPPORTED",
    2372: "ONFERR_ET_ASYNC_EPERM",
    2600: "ONFERR_DUP_INSTRUCTION",
    2640: "ONFERR_ET_MPART_REQUEST_TIMEOUT",
    2641: "ONFERR_ET_MPART_REPLY_TIMEOUT",
}
"""By their codes."""


def message_name(kind: int) -> str:
    """Return the name of a type of message, with its number."""
    return f"{MESSAGES[kind]}({kind})" if kind < len(MESSAGES) else f"Unknown({kind})"


def error_names(kind: int, code: int) -> tuple[str, str]:
    """Return the names of the type and the code of an error, with their numbers."""
    name, codes = ERRORS.get(kind, ("Unknown", ()))
    return f"{name}({kind})", f"{codes[code] if code < len(codes) else 'Unknown'}({code})"


def onf_error_name(code: int) -> str:
    """Return the name of an error of the ONF extensions, to which the bundles of OpenFlow 1.3 belong."""
    return f"{ONF_ERRORS.get(code, 'experimenter error')}({code})"
