"""How long the functions take to be imported, and which codecs, wrongly, come with them."""

from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.emulated import Deployed, measured_alone

FUNCTIONS: Final = ("dispatcher", "compressor", "reporter", "undertaker", "sweeper")
CODECS: Final = ("imagepress.codecs", "PIL", "pyvips", "vapoursynth", "oxipng", "pyjpegli", "numpy")


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The median of some imports: seconds of the wall and of CPU.

    Also all modules that are there then, and those of codecs, which only their process may import.
    """

    function: str
    seconds: float
    cpu: float
    modules: int
    codecs: list[str]


def import_function(function: str, times: int, aws: Deployed) -> ColdStart:
    """Import a function's module in `times` fresh interpreters, and once before, unmeasured."""
    taken = [
        measured_alone("bench.imported", function, *CODECS, environment=aws.environment())
        for _ in range(times + 1)
    ][1:]
    last = taken[-1]
    return ColdStart(
        function,
        median(one["seconds"] for one in taken),
        median(one["cpu"] for one in taken),
        last["modules"],
        last["codecs"],
    )
