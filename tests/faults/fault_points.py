"""Fault points: every call that a clean run makes, and each way in which it can go wrong.

A call is known again by its place: service, operation, what it is about, and how many such calls
were made before it. So the list comes from a run, and a new call is in it by itself.
"""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from urllib3.exceptions import ProtocolError

from tests.integration.wire import Act, Call, Moment, Wire, die, lose_the_answer, refuse

READS = ("Get", "Head", "List", "Query", "Scan", "BatchGet", "Describe")
RUN_ID = re.compile(r"\d{8}T\d{6}Z-([a-z0-9-]+)-[0-9a-f]{8}")
TIME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
TOKEN = re.compile(r"token#[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A call's place in a run; `nth` counts the calls that are alike, from 1."""

    service: str
    operation: str
    about: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.about} #{self.nth}"

    @property
    def reads(self) -> bool:
        """Whether the call leaves everything as it was."""
        return self.operation.startswith(READS)


def fail(call: Call) -> None:
    """The service refuses, for longer than the SDK tries; or there is no connection at all."""
    match call.service:
        case "s3":
            refuse("SlowDown", "Please reduce your request rate.", status=503)(call)
        case "dynamodb":
            refuse("ProvisionedThroughputExceededException")(call)
        case _:
            raise EndpointConnectionError(endpoint_url=f"https://{call.service}.amazonaws.com")


def break_off(call: Call) -> None:
    """The connection breaks in the middle of the body."""
    body = call.answer["Body"].read()
    call.answer["Body"] = StreamingBody(_HalfABody(body[: len(body) // 2]), len(body))


class _HalfABody(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if block := super().read(size):
            return block
        raise ProtocolError("Connection broken")


class Way(Enum):
    """How a call goes wrong."""

    FAILS = (Moment.BEFORE, fail)
    DIES_BEFORE = (Moment.BEFORE, die)
    DIES_AFTER = (Moment.AFTER, die)
    ANSWER_LOST = (Moment.AFTER, lose_the_answer)
    BODY_BREAKS_OFF = (Moment.AFTER, break_off)

    @property
    def moment(self) -> Moment:
        """Before it is applied, or after."""
        moment: Moment = self.value[0]
        return moment

    @property
    def act(self) -> Act:
        """What happens then."""
        act: Act = self.value[1]
        return act

    def fits(self, place: Place) -> bool:
        """Whether such a call can go wrong in this way; only downloads have a body."""
        return self is not Way.BODY_BREAKS_OFF or place.operation == "GetObject"

    def leaves_another_state(self, place: Place) -> bool:
        """Whether AWS is then as after no other fault.

        Who dies after a call that only reads might as well have died after the last one that
        changed something; and whether a read was refused or unheard is the same.
        """
        return self in (Way.FAILS, Way.BODY_BREAKS_OFF) or not place.reads


def places(calls: Iterable[Call]) -> list[Place]:
    """The places of the calls of a run, in their order."""
    seen: dict[Place, int] = {}
    found = []
    for call in calls:
        place = place_of(call)
        seen[place] = seen.get(place, 0) + 1
        found.append(replace(place, nth=seen[place]))
    return found


def place_of(call: Call) -> Place:
    """Where a call belongs, but for its number."""
    about = TIME.sub("<time>", TOKEN.sub("token", RUN_ID.sub(r"<\1>", _about(call))))
    return Place(call.service, call.operation, about)


def spoil(wire: Wire, place: Place, way: Way) -> Callable[[], bool]:
    """Let the call at `place` go wrong in that way; whether it has, is to be asked later."""
    sprung: list[Call] = []

    def act(call: Call) -> None:
        sprung.append(call)
        way.act(call)

    at(wire, place, way.moment, act)
    return lambda: bool(sprung)


def at(wire: Wire, place: Place, moment: Moment, act: Act) -> None:
    """Do `act` on one side of the call at `place`."""
    unnumbered = replace(place, nth=1)
    wire.at(moment, lambda call: place_of(call) == unnumbered, act, nth=place.nth)


def _about(call: Call) -> str:
    parameters = call.parameters
    match call.service:
        case "s3":
            return "/".join(filter(None, (parameters["Bucket"], parameters.get("Key"))))
        case "sqs":
            return str(parameters["QueueUrl"]).rsplit("/", 1)[-1]
        case _:
            return " ".join(_keys(parameters))


def _keys(value: Any) -> list[str]:
    """All keys of items in a request, wherever they stand."""
    if isinstance(value, dict):
        if "pk" in value:
            return [value["pk"]["S"]]
        return [key for inner in value.values() for key in _keys(inner)]
    if isinstance(value, list | tuple):
        return [key for inner in value for key in _keys(inner)]
    return []
