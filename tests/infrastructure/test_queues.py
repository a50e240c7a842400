import pytest

from infra.config import StackConfig
from tests.infrastructure.synthesised import Synthesised, synthesise

DAY = 24 * 60 * 60
QUEUES = {"Dispatch": "Dispatcher", "Chunk": "Compressor", "Report": "Reporter"}


@pytest.fixture(scope="module")
def short() -> Synthesised:
    """A stack whose functions all time out after different, unusual times."""
    names = ("compressor", "dispatcher", "reporter", "undertaker")
    sizes = {name: {"timeout_seconds": seconds} for seconds, name in enumerate(names, 31)}
    return synthesise(StackConfig.from_json(sizes))


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", ["Queue", "DeadLetters"])
def test_a_queue_is_encrypted_and_keeps_messages_as_long_as_sqs_can(
    bare: Synthesised, queue: str, kind: str
) -> None:
    properties = bare.of_type("AWS::SQS::Queue")[f"{queue}/{kind}"].properties
    assert properties["SqsManagedSseEnabled"] is True
    assert properties["MessageRetentionPeriod"] == 14 * DAY


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("kind", ["Queue", "DeadLetters"])
def test_a_queue_refuses_plain_http(bare: Synthesised, queue: str, kind: str) -> None:
    policy = bare.of_type("AWS::SQS::QueuePolicy")[f"{queue}/{kind}/Policy"]
    (statement,) = policy.properties["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("queue", QUEUES)
def test_work_that_comes_back_twenty_times_is_dead(bare: Synthesised, queue: str) -> None:
    redrive = bare.of_type("AWS::SQS::Queue")[f"{queue}/Queue"].properties["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 20
    assert bare.text(redrive["deadLetterTargetArn"]) == f"<{queue}/DeadLetters.Arn>"


@pytest.mark.parametrize("stack", ["bare", "short"])
@pytest.mark.parametrize("queue", QUEUES)
def test_visibility_is_six_times_the_timeout_of_the_consumer(
    request: pytest.FixtureRequest, stack: str, queue: str
) -> None:
    synthesised: Synthesised = request.getfixturevalue(stack)
    queues = synthesised.of_type("AWS::SQS::Queue")
    functions = synthesised.of_type("AWS::Lambda::Function")
    consumers = {"Queue": QUEUES[queue], "DeadLetters": "Undertaker"}
    for kind, consumer in consumers.items():
        timeout = functions[f"{consumer}/Function"].properties["Timeout"]
        assert queues[f"{queue}/{kind}"].properties["VisibilityTimeout"] == 6 * timeout


def test_each_queue_has_one_consumer_that_takes_messages_singly(bare: Synthesised) -> None:
    consumers = {}
    for mapping in bare.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = bare.text(mapping.properties["EventSourceArn"])
        assert queue not in consumers
        consumers[queue] = bare.text(mapping.properties["FunctionName"])
        assert mapping.properties["BatchSize"] == 1
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert consumers == {
        "<Dispatch/Queue.Arn>": "<Dispatcher/Function>",
        "<Chunk/Queue.Arn>": "<Compressor/Function>",
        "<Report/Queue.Arn>": "<Reporter/Function>",
        "<Dispatch/DeadLetters.Arn>": "<Undertaker/Function>",
        "<Chunk/DeadLetters.Arn>": "<Undertaker/Function>",
        "<Report/DeadLetters.Arn>": "<Undertaker/Function>",
    }


def test_only_compression_is_capped_and_by_the_configured_concurrency(bare: Synthesised) -> None:
    capped = {
        bare.text(mapping.properties["FunctionName"]): mapping.properties["ScalingConfig"]
        for mapping in bare.of_type("AWS::Lambda::EventSourceMapping").values()
        if "ScalingConfig" in mapping.properties
    }
    assert capped == {"<Compressor/Function>": {"MaximumConcurrency": 50}}
