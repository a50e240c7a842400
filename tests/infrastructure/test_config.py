import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from imagepress.settings import RunSettings
from infra.config import ConfigError, GivenBucket, StackConfig

KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0b1c"


def test_no_context_gives_the_defaults() -> None:
    assert StackConfig.from_context(App().node) == StackConfig()


def test_cdk_json_shows_the_defaults_of_the_run_parameters() -> None:
    context = json.loads(Path("cdk.json").read_text(encoding="utf-8"))["context"]
    config = StackConfig.from_context(App(context=context).node)
    assert context["imagepress"]["run_defaults"] == RunSettings().to_json()
    assert config == StackConfig()


def test_context_is_read_from_json_text_too() -> None:
    app = App(context={"imagepress": '{"architecture": "arm64"}'})
    assert StackConfig.from_context(app.node) == StackConfig(architecture="arm64")


def test_every_field_can_be_given() -> None:
    config = StackConfig.from_json(
        {
            "image_buckets": [{"name": "photos"}, {"name": "scans", "kms_key_arn": KEY_ARN}],
            "architecture": "arm64",
            "compressor_concurrency": 400,
            "compressor": {"memory_mb": 10_240},
            "log_retention_days": 90,
            "part_retention_days": 60,
            "alarm_email": "night+shift@example.com",
            "notice_email": "shop@example.co.uk",
            "tags": {"team": "Pictures", "cost-centre": "4711"},
            "run_defaults": {"perc_compression_quality": 75},
        }
    )
    assert config.image_buckets == (GivenBucket("photos"), GivenBucket("scans", KEY_ARN))
    assert config.compressor.memory_mb == 10_240
    assert config.compressor.timeout_seconds == StackConfig().compressor.timeout_seconds
    assert config.run_defaults == RunSettings(perc_compression_quality=75)
    assert (config.log_retention_days, config.part_retention_days) == (90, 60)
    assert config.alarm_email == "night+shift@example.com"
    assert config.notice_email == "shop@example.co.uk"
    assert config.tags == {"team": "Pictures", "cost-centre": "4711"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", 'imagepress is "{"; it must be a JSON object.'),
        ([], "imagepress is []; it must be an object."),
        (
            {"image_bucket": []},
            'imagepress has no field "image_bucket". Did you mean image_buckets? Known: ',
        ),
        ({"architecture": "arm"}, 'imagepress.architecture is "arm"; it must be one of x86_64, a'),
        (
            {"compressor_concurrency": 1},
            "imagepress.compressor_concurrency is 1; it must be a whole number from 2 to 1000.",
        ),
        ({"compressor_concurrency": True}, "imagepress.compressor_concurrency is true; it must"),
        ({"compressor_concurrency": "50"}, 'imagepress.compressor_concurrency is "50"; it must'),
        (
            {"compressor": {"memory_mb": 64}},
            "imagepress.compressor.memory_mb is 64; it must be a whole number from 128 to 10240.",
        ),
        ({"compressor": 3008}, "imagepress.compressor is 3008; it must be an object."),
        (
            {"sweeper": {"memory": 512}},
            'imagepress.sweeper has no field "memory". Did you mean memory_mb? Known: memory_mb, ',
        ),
        ({"log_retention_days": 31}, "imagepress.log_retention_days is 31; it must be one of 1, 3"),
        ({"part_retention_days": 0}, "imagepress.part_retention_days is 0; it must be a whole num"),
        ({"alarm_email": "me"}, 'imagepress.alarm_email is "me"; it must be an e-mail address.'),
        ({"notice_email": ["a@b.co"]}, 'imagepress.notice_email is ["a@b.co"]; it must be an e-m'),
        ({"tags": ["team"]}, 'imagepress.tags is ["team"]; it must be an object.'),
        ({"tags": {"team": 7}}, "imagepress.tags.team is 7; it must be a tag's value: letters"),
        ({"tags": {"aws:team": ""}}, 'imagepress.tags is "aws:team"; it must be a tag\'s name'),
        ({"tags": {"imagepress:stack": ""}}, 'imagepress.tags is "imagepress:stack"; it must be'),
        ({"tags": {str(n): "" for n in range(41)}}, 'imagepress.tags is {"0": "", "1": ""'),
        ({"image_buckets": []}, "imagepress.image_buckets is []; it must be a list such as"),
        ({"manifest_buckets": [{}]}, "imagepress.manifest_buckets[0] is {}; it must be an obje"),
        ({"image_buckets": "photos"}, 'imagepress.image_buckets is "photos"; it must be a list'),
        ({"image_buckets": ["photos"]}, 'imagepress.image_buckets[0] is "photos"; it must be an o'),
        ({"image_buckets": [{}]}, "imagepress.image_buckets[0] is {}; it must be an object with a"),
        (
            {"image_buckets": [{"name": "My_Bucket"}]},
            'imagepress.image_buckets[0].name is "My_Bucket"; it must be the name of a bucket.',
        ),
        (
            {"image_buckets": [{"name": "photos", "kms_key_arn": "alias/photos"}]},
            'imagepress.image_buckets[0].kms_key_arn is "alias/photos"; it must be the ARN of a K',
        ),
        (
            {"image_buckets": [{"name": "photos"}, {"name": "photos"}]},
            'imagepress.image_buckets is ["photos", "photos"]; it must be a list that names each',
        ),
        (
            {"run_defaults": {"perc_compression_quality": 101}},
            "imagepress.run_defaults: perc_compression_quality is 101; it must be a whole number",
        ),
        (
            {"run_defaults": {"max_image_pixel": 5}},
            'imagepress.run_defaults: "max_image_pixel" is not a parameter. Did you mean',
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_its_name_value_and_what_is_allowed(
    given: Any, message: str
) -> None:
    app = App(context={"imagepress": given})
    with pytest.raises(ConfigError) as refusal:
        StackConfig.from_context(app.node)
    assert str(refusal.value).startswith(message)
