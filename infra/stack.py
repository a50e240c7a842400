"""The stack: makes the parts, tells each function where the others are, and grants the rights.

The parts know nothing of each other. Who may do what is written here and nowhere else: each right
as an action on a resource, beside the function that needs it.
"""

import json
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, CfnOutput, Duration, Stack, Tags
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import FunctionSize, GivenBucket, StackConfig
from infra.dashboard import RunsDashboard
from infra.functions import PipelineFunction, Shipment
from infra.metrics import Watched, memory_used
from infra.monitoring import Alarms
from infra.queries import save_queries
from infra.queues import WorkQueue
from infra.runs_table import RunsTable
from infra.storage import PrivateBucket, expire_tagged, unique_bucket_name
from infra.topics import AlarmTopic, NoticeTopic

MANIFEST_SUFFIXES = (".csv", ".CSV", ".csv.gz")
# On the parts that the compressor and the undertaker write, and the reporter's checkpoints.
PART_TAG = ("imagepress", "part")
# A worker that dies, or is throttled, gives a chunk back; that must not use up its deliveries.
MAX_RECEIVES = 20
SWEEP_INTERVAL = Duration.minutes(5)


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Buckets that are there already, with images or lists of them."""

    buckets: tuple[GivenBucket, ...]

    @property
    def names(self) -> list[str]:
        return [bucket.name for bucket in self.buckets]

    @property
    def bucket_arns(self) -> list[str]:
        return [f"arn:{Aws.PARTITION}:s3:::{name}" for name in self.names]

    @property
    def object_arns(self) -> list[str]:
        return [f"{arn}/*" for arn in self.bucket_arns]

    @property
    def key_arns(self) -> list[str]:
        return sorted({bucket.kms_key_arn for bucket in self.buckets if bucket.kms_key_arn})


class ImagepressStack(Stack):
    """Trigger, runs and images buckets, queues, runs table, five functions, and their watch."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: StackConfig,
        code: lambda_.Code,
        **stack_kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="imagepress: recompresses the images of S3 buckets in place.",
            **stack_kwargs,
        )
        self._config = config
        self._shipment = Shipment(
            code=code,
            architecture=config.architecture,
            log_retention_days=config.log_retention_days,
        )

        self.trigger = PrivateBucket(self, "Trigger", name=unique_bucket_name("trigger"))
        self.runs = PrivateBucket(
            self,
            "Runs",
            name=unique_bucket_name("runs"),
            lifecycle_rules=[
                expire_tagged(rule_id="parts", tag=PART_TAG, days=config.part_retention_days)
            ],
        )
        self.images = _Buckets(config.image_buckets or (self._own_images_bucket(),))
        self.manifests = _Buckets(config.manifest_buckets)
        self.table = RunsTable(self, "RunState")
        self.dispatch_queue = self._work_queue("Dispatch", config.dispatcher)
        self.chunk_queue = self._work_queue("Chunk", config.compressor)
        self.report_queue = self._work_queue("Report", config.reporter)
        self.notices = NoticeTopic(
            self,
            "NoticeTopic",
            display_name=f"{self.stack_name} runs",
            email=config.notice_email,
        )

        self.dispatcher = self._dispatcher()
        self.compressor = self._compressor()
        self.reporter = self._reporter()
        self.undertaker = self._undertaker()
        self.sweeper = self._sweeper()
        self._start_runs_on_upload()
        self._watch()
        self._outputs()
        Tags.of(self).add("imagepress:stack", self.stack_name)
        for name, value in config.tags.items():
            Tags.of(self).add(name, value)

    def _own_images_bucket(self) -> GivenBucket:
        return GivenBucket(PrivateBucket(self, "Images", name=unique_bucket_name("images")).name)

    def _work_queue(self, construct_id: str, consumer: FunctionSize) -> WorkQueue:
        return WorkQueue(
            self,
            construct_id,
            max_receives=MAX_RECEIVES,
            consumer_timeout_seconds=consumer.timeout_seconds,
            dlq_consumer_timeout_seconds=self._config.undertaker.timeout_seconds,
        )

    def _dispatcher(self) -> PipelineFunction:
        dispatcher = PipelineFunction(
            self,
            "Dispatcher",
            name="dispatcher",
            description="Starts a run for a CSV of image keys and sends them out in chunks.",
            shipment=self._shipment,
            size=self._config.dispatcher,
            continues_itself=True,
            failures_to=self.dispatch_queue.queue,
            environment={
                "TRIGGER_BUCKET": self.trigger.name,
                "RUNS_BUCKET": self.runs.name,
                "ACCOUNT_ID": Aws.ACCOUNT_ID,
                "MANIFEST_BUCKETS": json.dumps(self.manifests.names),
                "IMAGE_BUCKETS": json.dumps(self.images.names),
                "RUNS_TABLE": self.table.name,
                "DISPATCH_QUEUE_URL": self.dispatch_queue.queue.queue_url,
                "CHUNK_QUEUE_URL": self.chunk_queue.queue.queue_url,
                "REPORT_QUEUE_URL": self.report_queue.queue.queue_url,
                "RUN_DEFAULTS": json.dumps(self._config.run_defaults.to_json()),
                "COMPRESSOR_CONCURRENCY": str(self._config.compressor_concurrency),
            },
        )
        self._allow_reading_manifests(dispatcher, ("s3:GetObject", "s3:GetObjectVersion"))
        self._allow_in_runs(
            dispatcher,
            ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"),
        )
        dispatcher.allow(
            [
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:BatchGetItem",
            ],
            [self.table.arn],
        )
        dispatcher.allow(["dynamodb:Query"], [self.table.status_index_arn])
        # A run must know whether its bucket keeps versions and how long, and whether ACLs count.
        dispatcher.allow(
            [
                "s3:GetBucketVersioning",
                "s3:GetLifecycleConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketAcl",
            ],
            self.images.bucket_arns,
        )
        # All objects under a prefix are a list as well.
        dispatcher.allow(["s3:ListBucket"], self.images.bucket_arns)
        dispatcher.allow(
            ["sqs:SendMessage"],
            [
                self.dispatch_queue.queue.queue_arn,
                self.chunk_queue.queue.queue_arn,
                self.report_queue.queue.queue_arn,
            ],
        )
        dispatcher.consume("DispatchQueue", self.dispatch_queue.queue)
        return dispatcher

    def _compressor(self) -> PipelineFunction:
        compressor = PipelineFunction(
            self,
            "Compressor",
            name="compressor",
            description="Replaces the images of one chunk where they come out smaller.",
            shipment=self._shipment,
            size=self._config.compressor,
            continues_itself=True,
            environment={
                "RUNS_BUCKET": self.runs.name,
                "RUNS_TABLE": self.table.name,
                "CHUNK_QUEUE_URL": self.chunk_queue.queue.queue_url,
                "REPORT_QUEUE_URL": self.report_queue.queue.queue_url,
            },
        )
        compressor.allow(
            [
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectTagging",
                "s3:GetObjectVersionTagging",
                "s3:GetObjectAcl",
                "s3:GetObjectVersionAcl",
                "s3:ListObjectAnnotations",
                "s3:PutObject",
                "s3:PutObjectTagging",
                "s3:PutObjectAcl",
            ],
            self.images.object_arns,
            wildcard_reason="The manifest may name any image of the buckets deployed for.",
        )
        # Without it a missing key reads as forbidden.
        compressor.allow(["s3:ListBucket"], self.images.bucket_arns)
        if self.images.key_arns:
            compressor.allow(["kms:Decrypt", "kms:GenerateDataKey"], self.images.key_arns)
        self._allow_parts(compressor)
        compressor.allow(
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:BatchGetItem"],
            [self.table.arn],
        )
        compressor.allow(["sqs:SendMessage"], [self.report_queue.queue.queue_arn])
        compressor.consume(
            "ChunkQueue",
            self.chunk_queue.queue,
            max_concurrency=self._config.compressor_concurrency,
        )
        return compressor

    def _reporter(self) -> PipelineFunction:
        reporter = PipelineFunction(
            self,
            "Reporter",
            name="reporter",
            description="Writes a finished run's log, results and summary.",
            shipment=self._shipment,
            size=self._config.reporter,
            continues_itself=True,
            environment={
                "RUNS_BUCKET": self.runs.name,
                "RUNS_TABLE": self.table.name,
                "REPORT_QUEUE_URL": self.report_queue.queue.queue_url,
                # What a run has cost follows from the seconds that its compressors took.
                "COMPRESSOR_MEMORY_MB": str(self._config.compressor.memory_mb),
                "COMPRESSOR_TMP_MB": str(self._config.compressor.tmp_mb),
                "ARCHITECTURE": self._config.architecture,
                "NOTICE_TOPIC_ARN": self.notices.topic.topic_arn,
                "DISPATCHER_FUNCTION": self.dispatcher.function.function_name,
            },
        )
        # A CSV is pinned to a version by now; the files of an inventory have none.
        self._allow_reading_manifests(reporter, ("s3:GetObject", "s3:GetObjectVersion"))
        # It aborts no upload: another reporter may be at work on it.
        self._allow_in_runs(reporter, ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"))
        reporter.allow(
            ["s3:PutObjectTagging"],
            [f"{self.runs.arn}/runs/*/parts/report/*"],
            wildcard_reason="A run's folder is named when the run starts, its checkpoints as it "
            "is reported.",
        )
        reporter.allow(
            ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"],
            [self.table.arn],
        )
        reporter.allow(["sqs:SendMessage"], [self.report_queue.queue.queue_arn])
        reporter.allow(["sns:Publish"], [self.notices.topic.topic_arn])
        reporter.consume("ReportQueue", self.report_queue.queue)
        return reporter

    def _undertaker(self) -> PipelineFunction:
        undertaker = PipelineFunction(
            self,
            "Undertaker",
            name="undertaker",
            description="Writes off work that came back too often, so that its run still ends.",
            shipment=self._shipment,
            size=self._config.undertaker,
            environment={
                "RUNS_BUCKET": self.runs.name,
                "RUNS_TABLE": self.table.name,
                "REPORT_QUEUE_URL": self.report_queue.queue.queue_url,
                "NOTICE_TOPIC_ARN": self.notices.topic.topic_arn,
                "DISPATCHER_FUNCTION": self.dispatcher.function.function_name,
            },
        )
        undertaker.allow(
            ["s3:GetObject"],
            self.images.object_arns,
            wildcard_reason="It looks at an image's marker before it writes the row off.",
        )
        undertaker.allow(["s3:ListBucket"], self.images.bucket_arns)
        if self.images.key_arns:
            undertaker.allow(["kms:Decrypt"], self.images.key_arns)
        self._allow_parts(undertaker)
        undertaker.allow(
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:BatchGetItem"],
            [self.table.arn],
        )
        undertaker.allow(["sqs:SendMessage"], [self.report_queue.queue.queue_arn])
        undertaker.allow(["sns:Publish"], [self.notices.topic.topic_arn])
        undertaker.consume("ChunkDeadLetters", self.chunk_queue.dead_letters)
        undertaker.consume("DispatchDeadLetters", self.dispatch_queue.dead_letters)
        undertaker.consume("ReportDeadLetters", self.report_queue.dead_letters)
        return undertaker

    def _sweeper(self) -> PipelineFunction:
        sweeper = PipelineFunction(
            self,
            "Sweeper",
            name="sweeper",
            description="Finishes what another function died before finishing.",
            shipment=self._shipment,
            size=self._config.sweeper,
            environment={
                "RUNS_TABLE": self.table.name,
                "DISPATCH_QUEUE_URL": self.dispatch_queue.queue.queue_url,
                "CHUNK_QUEUE_URL": self.chunk_queue.queue.queue_url,
                "REPORT_QUEUE_URL": self.report_queue.queue.queue_url,
            },
        )
        sweeper.allow(["dynamodb:Query"], [self.table.status_index_arn])
        sweeper.allow(
            ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"],
            [self.table.arn],
        )
        sweeper.allow(
            ["sqs:SendMessage"],
            [self.dispatch_queue.queue.queue_arn, self.report_queue.queue.queue_arn],
        )
        sweeper.allow(["sqs:GetQueueAttributes"], [self.chunk_queue.queue.queue_arn])
        sweeper.run_every(SWEEP_INTERVAL, description="Runs the imagepress sweeper.")
        return sweeper

    def _allow_reading_manifests(
        self, function: PipelineFunction, actions: tuple[str, ...]
    ) -> None:
        function.allow(
            list(actions),
            [f"{self.trigger.arn}/*"],
            wildcard_reason="The user chooses the names of the manifests in the trigger bucket.",
        )
        if self.manifests.buckets:
            function.allow(
                list(actions),
                self.manifests.object_arns,
                wildcard_reason="Inventories and other lists lie where their owner wants them.",
            )
        if self.manifests.key_arns:
            function.allow(["kms:Decrypt"], self.manifests.key_arns)
        function.allow(
            ["s3:ListBucket"], [self.trigger.arn, self.runs.arn, *self.manifests.bucket_arns]
        )

    def _allow_in_runs(self, function: PipelineFunction, actions: tuple[str, ...]) -> None:
        function.allow(
            list(actions),
            [f"{self.runs.arn}/runs/*"],
            wildcard_reason="A run's folder is named when the run starts.",
        )

    def _allow_parts(self, function: PipelineFunction) -> None:
        function.allow(
            ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"],
            [f"{self.runs.arn}/runs/*/parts/*"],
            wildcard_reason="A run's folder and its chunks are named when the run starts.",
        )

    def _start_runs_on_upload(self) -> None:
        permission = lambda_.CfnPermission(
            self,
            "TriggerMayInvokeDispatcher",
            action="lambda:InvokeFunction",
            function_name=self.dispatcher.function.function_arn,
            principal="s3.amazonaws.com",
            source_account=self.account,
            source_arn=self.trigger.arn,
        )
        self.trigger.notify_function(
            self.dispatcher.function.function_arn, suffixes=MANIFEST_SUFFIXES, after=permission
        )

    def _watch(self) -> None:
        config = self._config
        functions = {
            "Dispatcher": (self.dispatcher, config.dispatcher),
            "Compressor": (self.compressor, config.compressor),
            "Reporter": (self.reporter, config.reporter),
            "Undertaker": (self.undertaker, config.undertaker),
            "Sweeper": (self.sweeper, config.sweeper),
        }
        queues = {
            "Dispatch": self.dispatch_queue,
            "Chunk": self.chunk_queue,
            "Report": self.report_queue,
        }
        watched = Watched(
            namespace=self.stack_name,
            functions={name: part.function for name, (part, _) in functions.items()},
            sizes={name: size for name, (_, size) in functions.items()},
            queues={name: queue.queue for name, queue in queues.items()},
            dead_letters={name: queue.dead_letters for name, queue in queues.items()},
            compressor_memory=memory_used(
                self,
                "CompressorMemory",
                log_group=self.compressor.log_group,
                namespace=self.stack_name,
                name="CompressorMemory",
            ),
        )
        self.alarm_topic = AlarmTopic(
            self,
            "AlarmTopic",
            display_name=f"{self.stack_name} alarms",
            email=config.alarm_email,
        )
        self.alarms = Alarms(self, "Alarms", watched=watched, topic=self.alarm_topic.topic)
        self.dashboard = RunsDashboard(
            self,
            "RunsDashboard",
            watched=watched,
            architecture=config.architecture,
            runs_bucket=self.runs.name,
            alarms=self.alarms.names,
        )
        save_queries(
            self, "Queries", {name: part.log_group for name, (part, _) in functions.items()}
        )

    def _outputs(self) -> None:
        outputs = {
            "TriggerBucket": (self.trigger.name, "Upload a CSV of image keys here."),
            "RunsBucket": (self.runs.name, "Each run's log, results and summary, under runs/."),
            "ImageBuckets": (",".join(self.images.names), "The images that may be replaced."),
            "DispatcherFunction": (
                self.dispatcher.function.function_name,
                "Invoke it with a JSON of run parameters to start a run by hand.",
            ),
            "CompressorFunction": (
                self.compressor.function.function_name,
                "Compresses the images, one chunk for each invocation.",
            ),
            "ChunkQueueUrl": (self.chunk_queue.queue.queue_url, "Chunks that wait."),
            "ChunkDlqUrl": (
                self.chunk_queue.dead_letters.queue_url,
                "Chunks that came back too often, on their way to the undertaker.",
            ),
            "RunsTable": (self.table.name, "The state of runs and chunks."),
            "DashboardUrl": (self.dashboard.url, "How it goes: look here first."),
            "AlarmTopicArn": (self.alarm_topic.topic.topic_arn, "Subscribe to hear of alarms."),
            "NoticeTopicArn": (self.notices.topic.topic_arn, "Subscribe to hear of runs that end."),
        }
        for output_id, (value, description) in outputs.items():
            CfnOutput(self, output_id, value=value, description=description)
