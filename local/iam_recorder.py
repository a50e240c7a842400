"""Records every permission decision of the emulator, so that least privilege can be shown.

A denial that a handler swallows would otherwise go unseen, and a right that nobody uses would stay
for ever. `install` runs inside the emulator's own interpreter (standard library only); `read` is
for tests and people.
"""

import functools
import importlib
import json
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """One permission decision: who asked to do what to which resource, and the answer."""

    principal: str
    """ARN of the caller; for a Lambda function `…:assumed-role/<role>/<function>`."""
    action: str
    resource: str
    allowed: bool
    why: str
    request: str = field(default="", compare=False)
    """The method, then the names of the query's parameters and of the headers that may matter."""

    @property
    def function(self) -> str:
        """The Lambda function that asked (its session's name), or the last part of the ARN."""
        return self.principal.rsplit("/", 1)[-1]


_principal: ContextVar[str] = ContextVar("principal", default="")
_request: ContextVar[str] = ContextVar("request", default="")
_TELLING_HEADERS = ("x-amz-", "if-")
_SIGNATURE_HEADERS = ("x-amz-date", "x-amz-security-token", "x-amz-content-sha256")


def install(log: Path) -> None:
    """Wrap the emulator's evaluator; must run before its services are loaded.

    `enforce` knows the answer, all policies considered, but an allowed caller's name is only seen
    by `evaluate` beneath it. The account's own credentials are never evaluated, nor recorded.
    """
    evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
    write = _writer(log)

    evaluate: Callable[..., Any] = evaluator.evaluate
    enforce: Callable[..., Any] = evaluator.enforce
    queue_allows: Callable[..., bool] = evaluator.resource_policy_allows
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    extract: Callable[..., str | None] = actions.extract_iam_action

    @functools.wraps(extract)
    def noting_request(
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> str | None:
        _request.set(" ".join([method, *_telling(headers), *query]))
        return extract(service, method, path, headers, body, query)

    @functools.wraps(evaluate)
    def noting_principal(context: Any, *args: Any, **kwargs: Any) -> Any:
        _principal.set(context.principal_arn)
        return evaluate(context, *args, **kwargs)

    @functools.wraps(enforce)
    def recording(
        access_key: str, action: str, service: str, region: str, *args: Any, **kwargs: Any
    ) -> Any:
        _principal.set("")
        refusal = enforce(access_key, action, service, region, *args, **kwargs)
        caller = _principal.get()
        if caller or refusal is not None:
            resource = kwargs.get("resource_arn") or (args[0] if args else "*")
            allowed, why = refusal is None, _why(refusal)
            write(Decision(caller, action, resource, allowed, why, _request.get()))
        return refusal

    @functools.wraps(queue_allows)
    def recording_queue_denials(policy: Any, context: Any, *args: Any, **kwargs: Any) -> bool:
        allowed = queue_allows(policy, context, *args, **kwargs)
        if not allowed:
            denial = "the resource's own policy"
            write(
                Decision(
                    context.principal_arn, context.action, context.resource_arn, allowed, denial
                )
            )
        return allowed

    actions.extract_iam_action = noting_request
    evaluator.evaluate = noting_principal
    evaluator.enforce = recording
    evaluator.resource_policy_allows = recording_queue_denials


def read(log: Path) -> list[Decision]:
    """Every decision recorded so far, oldest first."""
    if not log.exists():
        return []
    with log.open(encoding="utf-8") as lines:
        # A line still being written has no newline yet: it belongs to the next reading.
        return [Decision(**json.loads(line)) for line in lines if line.endswith("\n")]


def _telling(headers: Mapping[str, str]) -> list[str]:
    names = sorted(name.lower() for name in headers)
    return [
        name
        for name in names
        if name.startswith(_TELLING_HEADERS) and name not in _SIGNATURE_HEADERS
    ]


def _why(refusal: Any) -> str:
    if refusal is None:
        return ""
    code = getattr(refusal, "code", None)  # authentication failed: no policy was looked at
    return str(code or refusal.reason or refusal.decision)


def _writer(log: Path) -> Callable[[Decision], None]:
    lock = threading.Lock()
    stream = log.open("a", encoding="utf-8", buffering=1)

    def write(decision: Decision) -> None:
        line = json.dumps(asdict(decision), ensure_ascii=False) + "\n"
        with lock:
            stream.write(line)

    return write
