import pytest

from tests.infrastructure.synthesised import Synthesised

TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("bucket", ["Trigger", "Runs", "Images"])
def test_a_bucket_is_private_encrypted_versioned_and_retained(
    bare: Synthesised, bucket: str
) -> None:
    resource = bare.of_type("AWS::S3::Bucket")[f"{bucket}/Bucket"]
    assert resource.properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    (encryption,) = resource.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (ownership,) = resource.properties["OwnershipControls"]["Rules"]
    assert ownership == {"ObjectOwnership": "BucketOwnerEnforced"}
    assert resource.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert resource.attributes["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource.attributes["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("bucket", ["Trigger", "Runs", "Images"])
def test_a_bucket_refuses_plain_http(bare: Synthesised, bucket: str) -> None:
    policy = bare.of_type("AWS::S3::BucketPolicy")[f"{bucket}/Bucket/Policy"]
    (statement,) = policy.properties["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Condition"] == TLS_ONLY


@pytest.mark.parametrize("bucket", ["Trigger", "Runs", "Images"])
def test_abandoned_uploads_are_removed_after_a_week(bare: Synthesised, bucket: str) -> None:
    resource = bare.of_type("AWS::S3::Bucket")[f"{bucket}/Bucket"]
    (rule,) = [
        rule
        for rule in resource.properties["LifecycleConfiguration"]["Rules"]
        if "AbortIncompleteMultipartUpload" in rule
    ]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "TagFilters" not in rule  # S3 refuses the two together


def test_only_parts_of_runs_expire_and_leave_no_version_behind(bare: Synthesised) -> None:
    expiring = {
        path: rule
        for path, resource in bare.of_type("AWS::S3::Bucket").items()
        for rule in resource.properties["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule or "NoncurrentVersionExpiration" in rule
    }
    assert expiring == {
        "Runs/Bucket": {
            "Id": "parts",
            "Status": "Enabled",
            "TagFilters": [{"Key": "imagepress", "Value": "part"}],
            "ExpirationInDays": 30,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        }
    }


def test_a_bucket_is_named_after_its_stack_so_that_none_meets_an_older_one(
    bare: Synthesised,
) -> None:
    names = {
        path: bare.text(resource.properties["BucketName"])
        for path, resource in bare.of_type("AWS::S3::Bucket").items()
    }
    assert names == {
        "Trigger/Bucket": "imagepress-trigger-<uuid>",
        "Runs/Bucket": "imagepress-runs-<uuid>",
        "Images/Bucket": "imagepress-images-<uuid>",
    }
    longest = "imagepress-trigger-" + "0" * 36
    assert len(longest) <= 63


def test_an_uploaded_manifest_invokes_the_dispatcher(bare: Synthesised) -> None:
    trigger = bare.of_type("AWS::S3::Bucket")["Trigger/Bucket"]
    calls = trigger.properties["NotificationConfiguration"]["LambdaConfigurations"]
    suffixes = []
    for call in calls:
        assert call["Event"] == "s3:ObjectCreated:*"
        assert bare.text(call["Function"]) == "<Dispatcher/Function.Arn>"
        (rule,) = call["Filter"]["S3Key"]["Rules"]
        assert rule["Name"] == "suffix"
        suffixes.append(rule["Value"])
    assert suffixes == [".csv", ".CSV", ".csv.gz"]


def test_only_this_accounts_trigger_bucket_may_invoke_the_dispatcher(bare: Synthesised) -> None:
    permission = bare.of_type("AWS::Lambda::Permission")["TriggerMayInvokeDispatcher"]
    properties = {name: bare.text(value) for name, value in permission.properties.items()}
    assert properties == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "<Dispatcher/Function.Arn>",
        "Principal": "s3.amazonaws.com",
        "SourceAccount": "<AWS::AccountId>",
        "SourceArn": "arn:<AWS::Partition>:s3:::imagepress-trigger-<uuid>",
    }
    trigger = bare.of_type("AWS::S3::Bucket")["Trigger/Bucket"]
    assert trigger.attributes["DependsOn"] == ["TriggerMayInvokeDispatcher"]


def test_no_function_but_the_pipelines_own_is_deployed(bare: Synthesised) -> None:
    assert len(bare.of_type("AWS::Lambda::Function")) == 5
    assert not [kind for kind in _types(bare) if kind.startswith("Custom::")]


def test_named_image_buckets_take_the_place_of_the_stacks_own(given_buckets: Synthesised) -> None:
    assert set(given_buckets.of_type("AWS::S3::Bucket")) == {"Trigger/Bucket", "Runs/Bucket"}
    assert given_buckets.outputs()["ImageBuckets"] == "photos,scans"


def _types(synthesised: Synthesised) -> set[str]:
    return {resource["Type"] for resource in synthesised.template["Resources"].values()}
