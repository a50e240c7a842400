"""How much CPU time may be spent on making a picture smaller."""

from enum import StrEnum


class Effort(StrEnum):
    """The default is BALANCED; SMALL is for pictures that are served millions of times."""

    FAST = "fast"
    BALANCED = "balanced"
    SMALL = "small"
