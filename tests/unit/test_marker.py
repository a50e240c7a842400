import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.marker import METADATA_NAME, Marker, base64_text

MARKER = Marker(
    run="20240201T120000Z-dataset-01234567",
    row=17,
    digest="89abcdef",
    encoder="pillow-jpeg",
    quality=80,
    lossless=False,
    format="JPEG",
    size_before=3_500_000,
    etag_before="d41d8cd98f00b204e9800998ecf8427e-12",
    version_before="3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
    size=2_100_000,
    sha256=base64_text(hashlib.sha256(b"output").digest()),
    md5=hashlib.md5(b"output").hexdigest(),
)
plain = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=40)
sizes = st.integers(0, 5 << 30)
markers = st.builds(
    Marker,
    run=plain,
    row=st.integers(1, 10**12),
    digest=plain,
    encoder=plain,
    quality=st.none() | st.integers(0, 100),
    lossless=st.booleans(),
    format=plain,
    size_before=sizes,
    etag_before=plain,
    version_before=st.none() | plain,
    size=sizes,
    sha256=plain,
    md5=plain,
    origin_version=st.none() | plain,
    origin_backup=st.none() | plain,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def read(value: str) -> Marker | None:
    return Marker.from_metadata({METADATA_NAME: value})


@given(markers)
def test_a_marker_survives_the_metadata(marker: Marker) -> None:
    assert read(marker.to_metadata()) == marker


@given(markers)
def test_a_marker_is_a_header_value(marker: Marker) -> None:
    value = marker.to_metadata()

    assert value.isascii()
    assert value.isprintable()
    assert " " not in value


def test_a_marker_leaves_room_for_other_metadata() -> None:
    assert len(METADATA_NAME) + len(MARKER.to_metadata()) < 450


@pytest.mark.parametrize("metadata", [{}, {"mtime": "1"}, {"Imagepress": MARKER.to_metadata()}])
def test_an_object_without_our_name_has_no_marker(metadata: dict[str, str]) -> None:
    assert Marker.from_metadata(metadata) is None


@pytest.mark.parametrize(
    "value",
    ["", " ", "null", "1", '"text"', "[]", "[1,2]", "true", "NaN", "{", "[" * 2000, '{"r":' * 400],
)
def test_what_is_no_json_object_is_no_marker(value: str) -> None:
    assert read(value) is None


@given(st.text(max_size=200))
def test_any_text_is_a_marker_or_none(value: str) -> None:
    marker = read(value)

    assert marker is None or not marker.matches(0, "")


@given(json_values.map(json.dumps))
def test_any_json_matches_no_object(value: str) -> None:
    marker = read(value)

    assert marker is None or not marker.matches(MARKER.size, MARKER.sha256)


@pytest.mark.parametrize("cut", range(0, len(MARKER.to_metadata()), 7))
def test_a_marker_that_was_cut_off_is_none(cut: int) -> None:
    assert read(MARKER.to_metadata()[:cut]) is None


def test_a_marker_matches_the_bytes_that_it_was_written_with() -> None:
    assert MARKER.matches(MARKER.size, MARKER.sha256)


@pytest.mark.parametrize(
    ("size", "sha256"),
    [
        (MARKER.size + 1, MARKER.sha256),
        (MARKER.size, base64_text(hashlib.sha256(b"other").digest())),
        (MARKER.size, ""),
        (0, MARKER.sha256),
    ],
)
def test_a_marker_does_not_match_other_bytes(size: int, sha256: str) -> None:
    assert not MARKER.matches(size, sha256)


def test_a_digest_is_written_as_s3_writes_checksums() -> None:
    digest = hashlib.sha256(b"").digest()

    assert base64_text(digest) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
