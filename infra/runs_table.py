"""The table of runs, chunks and counters: one key, one index by status, items that expire."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

STATUS_INDEX = "status-index"


class RunsTable(Construct):
    """The runs table, known to others by its name and ARNs."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        string = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=string),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires_at",
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        table.add_global_secondary_index(
            index_name=STATUS_INDEX,
            partition_key=dynamodb.Attribute(name="status", type=string),
            sort_key=dynamodb.Attribute(name="run_id", type=string),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.name = table.table_name
        self.arn = table.table_arn
        self.status_index_arn = f"{table.table_arn}/index/{STATUS_INDEX}"
