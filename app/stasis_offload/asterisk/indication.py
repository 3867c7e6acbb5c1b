"""What can be indicated to a channel over ARI."""

from enum import StrEnum


class Indication(StrEnum):
    """What can be indicated to a channel: nicknames of ARI's operations."""

    RING = "ring"
    STOP_RING = "ringStop"
    PROGRESS = "progress"
    STOP_MUSIC = "stopMoh"
    ANSWER = "answer"
