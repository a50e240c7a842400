from tests.infrastructure.synthesised import Synthesised


def test_the_table_has_one_key_and_an_index_by_status(bare: Synthesised) -> None:
    (table,) = bare.of_type("AWS::DynamoDB::Table").values()
    assert table.properties["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert table.properties["GlobalSecondaryIndexes"] == [
        {
            "IndexName": "status-index",
            "KeySchema": [
                {"AttributeName": "status", "KeyType": "HASH"},
                {"AttributeName": "run_id", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ]
    kinds = {entry["AttributeType"] for entry in table.properties["AttributeDefinitions"]}
    assert kinds == {"S"}


def test_the_table_is_billed_on_demand_encrypted_recoverable_and_retained(
    bare: Synthesised,
) -> None:
    (table,) = bare.of_type("AWS::DynamoDB::Table").values()
    assert table.properties["BillingMode"] == "PAY_PER_REQUEST"
    assert table.properties["SSESpecification"] == {"SSEEnabled": True}
    recovery = table.properties["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True}
    assert table.attributes["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table.attributes["UpdateReplacePolicy"] == "Retain"


def test_items_expire(bare: Synthesised) -> None:
    (table,) = bare.of_type("AWS::DynamoDB::Table").values()
    expiry = table.properties["TimeToLiveSpecification"]
    assert expiry == {"AttributeName": "expires_at", "Enabled": True}
