"""Q.850 causes and the values of DIALSTATUS."""

from enum import IntEnum, StrEnum


class DialStatus(StrEnum):
    """The values of DIALSTATUS that this application sets (app_dial.c)."""

    ANSWER = "ANSWER"
    BUSY = "BUSY"
    CANCEL = "CANCEL"
    CHANUNAVAIL = "CHANUNAVAIL"
    CONGESTION = "CONGESTION"
    INVALIDARGS = "INVALIDARGS"
    NOANSWER = "NOANSWER"


class Cause(IntEnum):
    """The Q.850 causes that the machine sets or tests (asterisk/causes.h)."""

    NO_ROUTE_DESTINATION = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_ANSWER = 19
    ANSWERED_ELSEWHERE = 26
    CONGESTION = 34
