"""A ladder: credentials, then buckets, table and queues, then the functions, then runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from imagepress import chunk, command_line
from imagepress.aws_session import aws_session
from tests.integration import stack as deployed
from tests.integration.functions import Functions
from tests.integration.moto_fixes import fixed
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import Stack
from tests.integration.wire import Wire


@pytest.fixture(scope="session")
def session_wire() -> Wire:
    return Wire()


@pytest.fixture(scope="session")
def session_temp_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temp_dir")


@pytest.fixture(scope="session")
def functions(session_wire: Wire, session_temp_dir: Path) -> Iterator[Functions]:
    """The handlers, imported once; the codec processes that they keep warm end with the session."""
    loaded = Functions.load(session_wire, {"temp_dir": str(session_temp_dir)})
    yield loaded
    for pool in loaded.compressor._pools.values():
        pool.close()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    _set_credentials(monkeypatch)


def _set_credentials(patch: pytest.MonkeyPatch) -> None:
    for name in deployed.FOREIGN:
        patch.delenv(name, raising=False)
    for name, value in deployed.CREDENTIALS.items():
        patch.setenv(name, value)


@pytest.fixture
def aws(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(BotocoreStubber, "process_request", fixed(BotocoreStubber.process_request))
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def session_stack() -> Stack:
    """The test's own clients, which nothing overhears; what they see is new in every test."""
    with pytest.MonkeyPatch.context() as patch:
        _set_credentials(patch)
        return Stack.of(boto3.Session())


@pytest.fixture
def stack(aws: None, session_stack: Stack) -> Stack:
    session_stack.create()
    return session_stack


@pytest.fixture
def wire(session_wire: Wire) -> Iterator[Wire]:
    session_wire.clear()
    yield session_wire
    session_wire.clear()


@pytest.fixture
def line(stack: Stack, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The wire, on the command's own clients."""
    session = aws_session()
    wire.attach(session._session)
    monkeypatch.setattr(command_line, "aws_session", lambda: session)
    return wire


@pytest.fixture
def temp_dir(session_temp_dir: Path) -> Iterator[Path]:
    """Where the images of all runs are downloaded to; nothing may be left in it."""
    yield session_temp_dir
    assert list(session_temp_dir.iterdir()) == []


@pytest.fixture
def pump(stack: Stack, functions: Functions, wire: Wire, temp_dir: Path) -> Pump:
    return Pump(stack, functions, wire)


@pytest.fixture
def service(stack: Stack, pump: Pump) -> Service:
    return Service(stack, pump)


@pytest.fixture
def one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a few rows is a single chunk, as a large one has them."""
    monkeypatch.setattr(chunk, "CHUNKS_PER_WORKER", 1)


@pytest.fixture
def four_rows_at_once(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the one processor that the tests' function has."""
    monkeypatch.setattr(functions.compressor, "THREADS_A_PROCESSOR", 4)


@pytest.fixture
def many_workers(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack was deployed for 50 workers at once: a chunk for each row of a small run."""
    starter = functions.dispatcher._starter
    deployment = replace(starter.deployment, concurrency=50)
    monkeypatch.setattr(functions.dispatcher, "_starter", replace(starter, deployment=deployment))
