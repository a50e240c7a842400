import json

import pytest

from imagepress.settings import RunSettings
from infra.config import StackConfig
from infra.packaging import LAMBDA_PYTHON, SOURCE
from tests.infrastructure.synthesised import Synthesised, synthesise

FUNCTIONS = ("Dispatcher", "Compressor", "Reporter", "Undertaker", "Sweeper")
CONTINUE_THEMSELVES = {"Dispatcher", "Compressor", "Reporter"}

TRIGGER = "imagepress-trigger-<uuid>"
RUNS = "imagepress-runs-<uuid>"
IMAGES = '["imagepress-images-<uuid>"]'
TABLE = "<RunState/Table>"
NOTICES = "<NoticeTopic/Topic>"
DISPATCH, CHUNK, REPORT = "<Dispatch/Queue>", "<Chunk/Queue>", "<Report/Queue>"
ENVIRONMENT = {
    "Dispatcher": {
        "TRIGGER_BUCKET": TRIGGER,
        "RUNS_BUCKET": RUNS,
        "ACCOUNT_ID": "<AWS::AccountId>",
        "MANIFEST_BUCKETS": "[]",
        "IMAGE_BUCKETS": IMAGES,
        "RUNS_TABLE": TABLE,
        "DISPATCH_QUEUE_URL": DISPATCH,
        "CHUNK_QUEUE_URL": CHUNK,
        "REPORT_QUEUE_URL": REPORT,
        "RUN_DEFAULTS": json.dumps(RunSettings().to_json()),
        "COMPRESSOR_CONCURRENCY": "50",
    },
    "Compressor": {
        "RUNS_BUCKET": RUNS,
        "RUNS_TABLE": TABLE,
        "CHUNK_QUEUE_URL": CHUNK,
        "REPORT_QUEUE_URL": REPORT,
    },
    "Reporter": {
        "RUNS_BUCKET": RUNS,
        "RUNS_TABLE": TABLE,
        "REPORT_QUEUE_URL": REPORT,
        "COMPRESSOR_MEMORY_MB": "3008",
        "COMPRESSOR_TMP_MB": "4096",
        "ARCHITECTURE": "x86_64",
        "NOTICE_TOPIC_ARN": NOTICES,
        "DISPATCHER_FUNCTION": "<Dispatcher/Function>",
    },
    "Undertaker": {
        "RUNS_BUCKET": RUNS,
        "RUNS_TABLE": TABLE,
        "REPORT_QUEUE_URL": REPORT,
        "NOTICE_TOPIC_ARN": NOTICES,
        "DISPATCHER_FUNCTION": "<Dispatcher/Function>",
    },
    "Sweeper": {
        "RUNS_TABLE": TABLE,
        "DISPATCH_QUEUE_URL": DISPATCH,
        "CHUNK_QUEUE_URL": CHUNK,
        "REPORT_QUEUE_URL": REPORT,
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_its_handler_on_the_python_that_the_wheels_are_for(
    bare: Synthesised, name: str
) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    assert properties["Handler"] == f"{name.lower()}.handler"
    assert properties["Runtime"] == f"python{LAMBDA_PYTHON}"
    assert properties["Architectures"] == ["x86_64"]
    assert properties["Description"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_told_where_its_neighbours_are(bare: Synthesised, name: str) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    variables = properties["Environment"]["Variables"]
    told = {variable: bare.text(value) for variable, value in variables.items()}
    assert told == {
        "POWERTOOLS_SERVICE_NAME": name.lower(),
        "POWERTOOLS_METRICS_NAMESPACE": "imagepress",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **ENVIRONMENT[name],
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_new_account_can_deploy_a_function(bare: Synthesised, name: str) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    assert properties["MemorySize"] <= 3008
    assert properties["Timeout"] <= 900
    assert "ReservedConcurrentExecutions" not in properties


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_a_function_that_continues_itself_may_recurse(bare: Synthesised, name: str) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    assert properties.get("RecursiveLoop") == ("Allow" if name in CONTINUE_THEMSELVES else None)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_to_a_group_of_its_own_that_forgets(bare: Synthesised, name: str) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    assert bare.text(properties["LoggingConfig"]["LogGroup"]) == f"<{name}/Logs>"
    log_group = bare.of_type("AWS::Logs::LogGroup")[f"{name}/Logs"]
    assert log_group.properties["RetentionInDays"] == 30


def test_an_upload_event_that_fails_ends_in_the_dispatch_queue(bare: Synthesised) -> None:
    (invocation,) = bare.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert bare.text(invocation.properties["FunctionName"]) == "<Dispatcher/Function>"
    destinations = invocation.properties["DestinationConfig"]
    assert bare.text(destinations["OnFailure"]["Destination"]) == "<Dispatch/Queue.Arn>"


def test_the_sweeper_runs_every_five_minutes(bare: Synthesised) -> None:
    (rule,) = bare.of_type("AWS::Events::Rule").values()
    assert rule.properties["ScheduleExpression"] == "rate(5 minutes)"
    assert rule.properties["State"] == "ENABLED"
    (target,) = rule.properties["Targets"]
    assert bare.text(target["Arn"]) == "<Sweeper/Function.Arn>"


def test_the_configuration_reaches_the_functions() -> None:
    config = StackConfig.from_json(
        {
            "architecture": "arm64",
            "compressor_concurrency": 7,
            "compressor": {"memory_mb": 2000, "timeout_seconds": 600, "tmp_mb": 1024},
            "log_retention_days": 7,
            "part_retention_days": 45,
            "run_defaults": {"perc_compression_quality": 60},
        }
    )
    synthesised = synthesise(config)
    functions = synthesised.of_type("AWS::Lambda::Function")
    compressor = functions["Compressor/Function"].properties
    assert (compressor["MemorySize"], compressor["Timeout"]) == (2000, 600)
    assert compressor["EphemeralStorage"] == {"Size": 1024}
    assert {tuple(f.properties["Architectures"]) for f in functions.values()} == {("arm64",)}
    variables = functions["Dispatcher/Function"].properties["Environment"]["Variables"]
    assert json.loads(variables["RUN_DEFAULTS"])["perc_compression_quality"] == 60
    assert variables["COMPRESSOR_CONCURRENCY"] == "7"
    mapping = synthesised.of_type("AWS::Lambda::EventSourceMapping")[
        "Compressor/Function/ChunkQueue"
    ]
    assert mapping.properties["ScalingConfig"] == {"MaximumConcurrency": 7}
    log_groups = synthesised.of_type("AWS::Logs::LogGroup").values()
    assert {group.properties["RetentionInDays"] for group in log_groups} == {7}
    rules = synthesised.of_type("AWS::S3::Bucket")["Runs/Bucket"].properties
    expiry = [rule.get("ExpirationInDays") for rule in rules["LifecycleConfiguration"]["Rules"]]
    assert 45 in expiry


def test_given_buckets_are_what_the_dispatcher_is_told(given_buckets: Synthesised) -> None:
    dispatcher = given_buckets.of_type("AWS::Lambda::Function")["Dispatcher/Function"]
    variables = dispatcher.properties["Environment"]["Variables"]
    assert json.loads(variables["IMAGE_BUCKETS"]) == ["photos", "scans"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_handler_that_the_stack_names_exists(name: str) -> None:
    assert (SOURCE / f"{name.lower()}.py").is_file()


def test_the_outputs_are_the_names_that_a_user_needs(bare: Synthesised) -> None:
    assert bare.outputs() == {
        "TriggerBucket": TRIGGER,
        "RunsBucket": RUNS,
        "ImageBuckets": "imagepress-images-<uuid>",
        "DispatcherFunction": "<Dispatcher/Function>",
        "CompressorFunction": "<Compressor/Function>",
        "ChunkQueueUrl": CHUNK,
        "ChunkDlqUrl": "<Chunk/DeadLetters>",
        "RunsTable": TABLE,
        "DashboardUrl": "https://<AWS::Region>.console.aws.amazon.com/cloudwatch/home"
        "?region=<AWS::Region>#dashboards/dashboard/imagepress",
        "AlarmTopicArn": "<AlarmTopic/Topic>",
        "NoticeTopicArn": NOTICES,
    }
    assert all(output["Description"] for output in bare.template["Outputs"].values())
