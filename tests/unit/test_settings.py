import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.errors import Refused
from imagepress.settings import (
    DIRECT_PARAMETERS,
    IMAGE_PARAMETERS,
    UPLOAD_PARAMETERS,
    Parameter,
    RunSettings,
    check_defaults,
    check_event,
    check_temp_dir,
    nearest_name,
    read_metadata,
    with_defaults,
)

QUALITY = "perc_compression_quality"
NO_WHOLE_NUMBERS: list[object] = [
    "80",
    "",
    80.5,
    80.0,
    math.nan,
    math.inf,
    None,
    True,
    False,
    [],
    {},
    [80],
]
NO_TEXTS: list[object] = ["", "  ", None, 5, True, ["a"], {}]

VALID = [
    *((QUALITY, value) for value in (0, 1, 80, 100)),
    *(("max_image_pixels", value) for value in (1, 10**9, 10**30)),
    *(("min_savings_percent", value) for value in (0, 1, 99)),
    *(("temp_dir", value) for value in ("/tmp", "relative", "/mnt/a b")),
    *(("bucket_name", value) for value in ("my-bucket", "a.b.c")),
    *(("csv_path", value) for value in ("dataset.csv", "s3://bucket/key.csv", "ação.csv")),
    *(("client_token", value) for value in ("a", "t" * 256, "\U0001f304")),
]
INVALID = [
    *((QUALITY, value) for value in (-1, 101, 10**100, *NO_WHOLE_NUMBERS)),
    *(("max_image_pixels", value) for value in (0, -1, *NO_WHOLE_NUMBERS)),
    *(("min_savings_percent", value) for value in (-1, 100, *NO_WHOLE_NUMBERS)),
    *((name, value) for name in ("temp_dir", "bucket_name", "csv_path") for value in NO_TEXTS),
    *(("client_token", value) for value in (*NO_TEXTS, "t" * 257)),
]


def refusal(call: Any, values: Mapping[str, Any]) -> str:
    with pytest.raises(Refused) as refused:
        call(values)
    return str(refused.value)


# Values


@pytest.mark.parametrize(("name", "value"), VALID)
def test_an_event_may_have(name: str, value: object) -> None:
    assert check_event({name: value}) == {name: value}


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_an_event_may_not_have(name: str, value: object) -> None:
    assert refusal(check_event, {name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize("parameter", DIRECT_PARAMETERS, ids=lambda parameter: parameter.name)
def test_a_refusal_says_what_is_allowed(parameter: Parameter) -> None:
    assert refusal(check_event, {parameter.name: None}) == (
        f"{parameter.name} is null; it must be {parameter.allowed}."
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("80", '"80"'), (80.5, "80.5"), (True, "true"), (None, "null"), (-1, "-1"), ("ç", '"ç"')],
)
def test_a_refusal_shows_the_value_as_it_was_written(value: object, shown: str) -> None:
    assert refusal(check_event, {QUALITY: value}).startswith(f"{QUALITY} is {shown};")


def test_a_refusal_shows_a_long_value_short() -> None:
    assert len(refusal(check_event, {QUALITY: "x" * 100_000})) < 250


def test_several_problems_stand_in_one_message() -> None:
    message = refusal(
        check_event, {QUALITY: 101, "csv_path": "a.csv", "max_image_pixels": 0, "bukket_name": "b"}
    )

    assert f"{QUALITY} is 101;" in message
    assert "max_image_pixels is 0;" in message
    assert "Did you mean bucket_name?" in message
    assert "csv_path is" not in message


@given(
    st.dictionaries(
        st.sampled_from([parameter.name for parameter in DIRECT_PARAMETERS])
        | st.text(st.characters(codec="utf-8"), max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_any_event_is_taken_as_it_is_or_refused(event: dict[str, Any]) -> None:
    try:
        values = check_event(event)
    except Refused:
        return
    assert values == event


# Names


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("perc_compresion_quality", QUALITY),
        ("perc-compression-quality", QUALITY),
        ("Perc_Compression_Quality", QUALITY),
        ("compression_quality", QUALITY),
        ("max_image_pixel", "max_image_pixels"),
        ("max_images_pixels", "max_image_pixels"),
        ("tempdir", "temp_dir"),
        ("tmp_dir", "temp_dir"),
        ("csv-path", "csv_path"),
        ("csvpath", "csv_path"),
        ("bucketname", "bucket_name"),
        ("BUCKET_NAME", "bucket_name"),
        ("min_saving_percent", "min_savings_percent"),
        ("client-token", "client_token"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(written: str, meant: str) -> None:
    message = refusal(check_event, {written: 80})

    assert f'"{written}" is not a parameter. Did you mean {meant}?' in message


@pytest.mark.parametrize("name", ["speed", "", "q", "ação", "perc", "x" * 5000])
def test_a_name_like_none_is_refused_with_all_that_are_known(name: str) -> None:
    message = refusal(check_event, {name: 1})

    assert "Did you mean" not in message
    assert all(parameter.name in message for parameter in DIRECT_PARAMETERS)


@pytest.mark.parametrize("name", [parameter.name for parameter in DIRECT_PARAMETERS])
def test_a_name_is_nearest_to_itself(name: str) -> None:
    assert nearest_name(name, [parameter.name for parameter in DIRECT_PARAMETERS]) == name


# Metadata of an upload


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (QUALITY, "75", 75),
        ("perc-compression-quality", "75", 75),
        ("Perc-Compression_Quality", " 75 ", 75),
        ("max-image-pixels", "500000000", 500_000_000),
        ("min-savings-percent", "0", 0),
        ("temp-dir", "/mnt/images", "/mnt/images"),
        ("bucket-name", "my-bucket", "my-bucket"),
    ],
)
def test_metadata_may_have(name: str, text: str, value: object) -> None:
    assert read_metadata({name: text}) == ({name.lower().replace("-", "_"): value}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((QUALITY, text) for text in ("-1", "101", "80.5", '"80"', "", "null", "true", "1e2")),
        (QUALITY, "9" * 5000),
        ("max-image-pixels", "0"),
        ("max-image-pixels", "many"),
        ("min-savings-percent", "100"),
        ("temp-dir", "  "),
        ("bucket-name", ""),
    ],
)
def test_metadata_may_not_have(name: str, text: str) -> None:
    plain = name.replace("-", "_")

    assert refusal(read_metadata, {name: text}).startswith(f"{plain} is ")


def test_metadata_of_upload_tools_is_ignored_and_reported() -> None:
    values, ignored = read_metadata(
        {"mtime": "1706788800", "uid": "1000", "s3cmd-attrs": "x", "temp-dir": "/tmp"}
    )

    assert values == {"temp_dir": "/tmp"}
    assert ignored == ["mtime", "s3cmd_attrs", "uid"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("perc-compresion-quality", QUALITY),
        ("max_image_pixel", "max_image_pixels"),
        ("tmp-dir", "temp_dir"),
        ("bucketname", "bucket_name"),
    ],
)
def test_metadata_that_nearly_is_a_parameter_is_refused(written: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in refusal(read_metadata, {written: "80"})


def test_several_problems_of_metadata_stand_in_one_message() -> None:
    message = refusal(read_metadata, {QUALITY: "high", "tmp-dir": "/tmp", "mtime": "1"})

    assert f'{QUALITY} is "high"' in message
    assert "Did you mean temp_dir?" in message
    assert "mtime" not in message


@pytest.mark.parametrize("name", ["csv_path", "client_token"])
def test_metadata_cannot_say_what_the_upload_itself_says(name: str) -> None:
    assert read_metadata({name: "x"}) == ({}, [name])


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=5))
def test_any_metadata_is_read_or_refused(metadata: dict[str, str]) -> None:
    try:
        values, ignored = read_metadata(metadata)
    except Refused:
        return
    known = {parameter.name for parameter in UPLOAD_PARAMETERS}
    assert values.keys() <= known
    assert known.isdisjoint(ignored)


# Defaults


def test_the_defaults_are_the_original_script_s() -> None:
    assert with_defaults({}, {}) == RunSettings(
        perc_compression_quality=80,
        max_image_pixels=1_000_000_000,
        temp_dir="/tmp",
        min_savings_percent=1,
    )


def test_a_run_s_values_win_over_the_deployment_s_and_those_over_ours() -> None:
    settings = with_defaults({QUALITY: 70, "min_savings_percent": 5}, {QUALITY: 60})

    assert settings == RunSettings(perc_compression_quality=60, min_savings_percent=5)


def test_values_that_are_no_settings_stay_outside() -> None:
    assert with_defaults({}, {"csv_path": "a.csv", "bucket_name": "b"}) == RunSettings()


def test_a_deployment_s_defaults_are_checked_like_any_values() -> None:
    assert check_defaults({QUALITY: 70}) == {QUALITY: 70}
    assert f"{QUALITY} is 101;" in refusal(check_defaults, {QUALITY: 101})


@pytest.mark.parametrize("name", ["bucket_name", "csv_path", "client_token"])
def test_a_deployment_has_no_default_for_what_a_run_is(name: str) -> None:
    assert "is not a parameter" in refusal(check_defaults, {name: "x"})


def test_each_image_parameter_is_a_setting() -> None:
    names = {field.name for field in fields(RunSettings)}
    assert {parameter.name for parameter in IMAGE_PARAMETERS} == names


def test_our_defaults_are_valid() -> None:
    defaults = RunSettings().to_json()

    assert check_defaults(defaults) == defaults


@given(
    st.builds(
        RunSettings,
        perc_compression_quality=st.integers(0, 100),
        max_image_pixels=st.integers(1),
        temp_dir=st.text(min_size=1),
        min_savings_percent=st.integers(0, 99),
    )
)
def test_settings_survive_json(settings: RunSettings) -> None:
    assert RunSettings.from_json(settings.to_json()) == settings


def test_the_digest_tells_qualities_apart() -> None:
    digests = {RunSettings(perc_compression_quality=quality).digest for quality in range(101)}

    assert len(digests) == 101


def test_the_digest_does_not_see_what_leaves_the_bytes_alone() -> None:
    settings = RunSettings()
    others = replace(settings, max_image_pixels=5, temp_dir="/mnt", min_savings_percent=9)

    assert others.digest == settings.digest


# The folder for temporary files


def test_a_folder_that_can_be_written_to_is_fine(tmp_path: Path) -> None:
    check_temp_dir(str(tmp_path))


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="must be a folder that exists and is writable"):
        check_temp_dir(str(tmp_path / "missing"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(Refused, match="must be a folder"):
        check_temp_dir(str(file))


def test_a_sample_is_a_dry_run_even_where_nobody_says_so() -> None:
    assert RunSettings(dry_run_sample=10).only_measures
    assert RunSettings(dry_run=True).only_measures
    assert not RunSettings().only_measures
