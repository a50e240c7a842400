"""The wire: every call that the functions make to AWS passes here, and a test can step in.

It hangs on the events of the real clients. `before` stands where the request has not left yet,
`after` where AWS has done what was asked and the answer is on its way; what is raised there is
what the caller sees, behind all of the SDK's own retries. So an error before is a call that never
arrived, and an error after is a call that was applied and whose answer was lost.
"""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import Session

PARAMETERS = "wire_parameters"
FIRST_ERROR = 300


class Death(BaseException):
    """The invocation was killed: nothing in it catches this, and nothing that it does arrives."""


class Moment(Enum):
    """On which side of AWS a call is caught."""

    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an AWS operation; `number` counts all calls from 1.

    `answer` is there when it was applied, and is what the caller gets: a test may change it.
    """

    number: int
    service: str
    operation: str
    parameters: Mapping[str, Any]
    answer: dict[str, Any] = field(default_factory=dict)

    def fits(self, operation: str, parameters: Mapping[str, Any]) -> bool:
        """Whether it is that operation, with at least these parameters."""
        return self.operation == operation and parameters.items() <= self.parameters.items()


type Act = Callable[[Call], object]
type Which = Callable[[Call], bool]


@dataclass(slots=True)
class _Trap:
    moment: Moment
    fits: Which
    act: Act
    turns: range
    seen: int = field(default=0)


class Wire:
    """Remembers every call, and does what tests have asked for at some of them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._applied: list[Call] = []
        self._traps: list[_Trap] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._dead = False

    def attach(self, session: Session) -> None:
        """Hear all clients that `session` makes from now on."""
        session.register("before-parameter-build", self._note_parameters)
        session.register("before-call", self._before)
        session.register("after-call", self._after)

    def clear(self) -> None:
        """Forget calls and traps."""
        self.calls.clear()
        self._applied.clear()
        self._traps.clear()
        self._numbers = itertools.count(1)
        self._dead = False

    def new_invocation(self) -> None:
        """A process lives again."""
        self._dead = False

    def before(
        self, operation: str, act: Act, *, nth: int = 1, times: int = 1, **parameters: Any
    ) -> None:
        """Do `act` before the `nth` call of `operation` with `parameters`, and the next ones."""
        self.at(Moment.BEFORE, lambda call: call.fits(operation, parameters), act, nth, times)

    def after(
        self, operation: str, act: Act, *, nth: int = 1, times: int = 1, **parameters: Any
    ) -> None:
        """Do `act` when the `nth` call of `operation` with `parameters` has been applied."""
        self.at(Moment.AFTER, lambda call: call.fits(operation, parameters), act, nth, times)

    def at(self, moment: Moment, which: Which, act: Act, nth: int = 1, times: int = 1) -> None:
        """Do `act` at the `nth` call that `which` accepts, and at the `times - 1` after it."""
        self._traps.append(_Trap(moment, which, act, range(nth, nth + times)))

    def made(self, operation: str, **parameters: Any) -> list[Call]:
        """The calls of `operation` so far that had at least these parameters."""
        return [call for call in self.calls if call.fits(operation, parameters)]

    def applied(self, operation: str, **parameters: Any) -> list[Call]:
        """Those of them that AWS has done, whether or not its answer arrived."""
        return [call for call in self._applied if call.fits(operation, parameters)]

    # The clients' events

    def _note_parameters(self, **event: Any) -> None:
        event["context"][PARAMETERS] = dict(event["params"])

    def _before(self, **event: Any) -> None:
        model, context = event["model"], event["context"]
        with self._lock:
            if self._dead:
                raise Death
            call = Call(
                next(self._numbers),
                model.service_model.service_name,
                model.name,
                context[PARAMETERS],
            )
            context[PARAMETERS] = call
            self.calls.append(call)
        self._spring(Moment.BEFORE, call)

    def _after(self, **event: Any) -> None:
        call = replace(event["context"][PARAMETERS], answer=event["parsed"])
        if event["http_response"].status_code < FIRST_ERROR:
            self._applied.append(call)
        if self._dead:
            raise Death
        self._spring(Moment.AFTER, call)

    def _spring(self, moment: Moment, call: Call) -> None:
        for trap in tuple(self._traps):
            if trap.moment is not moment or not trap.fits(call):
                continue
            with self._lock:
                trap.seen += 1
                due = trap.seen in trap.turns
            if not due:
                continue
            try:
                trap.act(call)
            except Death:
                self._dead = True
                raise


def die(_: Call) -> None:
    """The process is killed at this call."""
    raise Death


def lose_the_answer(call: Call) -> None:
    """The connection breaks."""
    raise ReadTimeoutError(endpoint_url=f"https://{call.service}.amazonaws.com")


def refuse(code: str, message: str = "", *, status: int = 400) -> Act:
    """AWS answers with an error."""

    def act(call: Call) -> None:
        answer = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        raise ClientError(answer, call.operation)  # type: ignore[arg-type]

    return act


throttle = refuse("SlowDown", "Please reduce your request rate.", status=503)
break_down = refuse("InternalError", "We encountered an internal error.", status=500)
