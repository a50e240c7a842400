"""One row with the real codecs, and an images bucket that is a dictionary."""

import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.response import StreamingBody
from hypothesis import example, given
from hypothesis import strategies as st

from imagepress import codec_table, journal, workshop
from imagepress.budget import Budget
from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import PassingError, RowFailed, RowSkipped
from imagepress.image_header import ImageFormat, ImageHeader
from imagepress.image_store import ImageStore, Written, download
from imagepress.manifest import Row
from imagepress.marker import METADATA_NAME, Marker, base64_text
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.settings import RunSettings
from imagepress.stored_object import StoredObject
from imagepress.worker import Job, press, without_trying
from imagepress.workshop import Workshop, safe_file_name
from tests.pictures import animated_png, jpeg, photograph, png

RUN = "20240201T120000Z-dataset-01234567"
KEY = "imagens/imagem1.jpg"
ROW = Row(1, KEY, 0)
PHOTO = jpeg(photograph(size=(300, 200)))
DEFLATED_BADLY = png(photograph(size=(300, 200)), compress_level=1)


class MemoryStore(ImageStore):
    """A bucket of one object, without S3."""

    def __init__(self, data: bytes, metadata: Mapping[str, str], sha256: str | None) -> None:
        super().__init__(cast("Any", None), "meu-bucket")
        self.data = data
        self.metadata = metadata
        self.sha256 = sha256
        self.opened: list[str] = []
        self.breaks = False
        self.replaced: tuple[bytes, Marker] | None = None

    @contextmanager
    def open(
        self, key: str, version_id: str | None = None
    ) -> Iterator[tuple[StoredObject, StreamingBody]]:
        self.opened.append(key)
        size = len(self.data) + self.breaks
        yield (
            StoredObject(
                key=key,
                size=size,
                etag="etag-before",
                version_id="v1",
                metadata=self.metadata,
                properties={},
                tag_count=0,
                sha256=self.sha256,
                checksum=None,
            ),
            StreamingBody(io.BytesIO(self.data), size),
        )

    def replace(self, stored: StoredObject, file: Path, marker: Marker) -> tuple[Written, Marker]:
        self.replaced = file.read_bytes(), marker
        return Written("etag-after", "v2"), marker


class CountingPool(CodecPool):
    """The real pool, and what it was asked for."""

    def __init__(self) -> None:
        super().__init__(1, 1_000_000_000)
        self.requests: list[CodecRequest] = []

    def encode(self, request: CodecRequest, timeout: float) -> Encoded:
        self.requests.append(request)
        return super().encode(request, timeout)


@dataclass
class Bench:
    """A row's surroundings; `press` works on it."""

    pool: CountingPool
    folder: Path
    settings: RunSettings = field(default_factory=RunSettings)
    memory: int = 10**9
    temp_space: int = 10**9
    encode_seconds: float = 60.0
    seconds_left: float = math.inf
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    breaks: bool = False

    def press(self, data: bytes, row: Row = ROW) -> tuple[RowReport, MemoryStore]:
        store = MemoryStore(data, self.metadata, self.sha256)
        store.breaks = self.breaks
        workshop = Workshop(
            store=store,
            pool=self.pool,
            memory=Budget(self.memory),
            temp_space=Budget(self.temp_space),
            folder=self.folder,
            encode_seconds=self.encode_seconds,
            seconds_left=lambda: self.seconds_left,
        )
        try:
            return press(row, Job(RUN, self.settings, versioned=True), workshop), store
        finally:
            # Whatever happens, a row's files are gone.
            assert list(self.folder.glob("*")) == []
            assert workshop.memory._free == self.memory
            assert workshop.temp_space._free == self.temp_space


@pytest.fixture(scope="module")
def pool() -> Iterator[CountingPool]:
    with CountingPool() as pool:
        yield pool


@pytest.fixture
def bench(pool: CountingPool, tmp_path: Path) -> Bench:
    pool.requests.clear()
    return Bench(pool, tmp_path)


def digest(data: bytes) -> str:
    return base64_text(hashlib.sha256(data).digest())


def marked(data: bytes, **changes: Any) -> dict[str, str]:
    """The metadata of an object that a run has left."""
    marker = Marker(
        run=RUN,
        row=1,
        digest=RunSettings().digest,
        encoder="jpegli",
        quality=80,
        lossless=False,
        format="JPEG",
        size_before=99_999,
        etag_before="etag-original",
        version_before="v0",
        size=len(data),
        sha256=digest(data),
        md5=hashlib.md5(data).hexdigest(),
    )
    return {METADATA_NAME: replace(marker, **changes).to_metadata()}


# A row that is compressed


def test_a_photograph_is_replaced_by_a_smaller_one(bench: Bench) -> None:
    report, store = bench.press(PHOTO)

    assert store.replaced is not None
    data, _ = store.replaced
    assert report.result == RowResult(
        row=1,
        path=KEY,
        outcome=Outcome.COMPRESSED,
        format="JPEG",
        bytes_before=len(PHOTO),
        bytes_after=len(data),
        encoder="jpegli",
        quality=80,
        seconds=report.result.seconds,
        etag_before="etag-before",
        etag_after="etag-after",
        version_before="v1",
        version_after="v2",
    )
    assert len(data) < len(PHOTO)


def test_the_marker_says_who_replaced_what(bench: Bench) -> None:
    _, store = bench.press(PHOTO)

    assert store.replaced is not None
    data, marker = store.replaced
    assert marker == Marker(
        run=RUN,
        row=1,
        digest=RunSettings().digest,
        encoder="jpegli",
        quality=80,
        lossless=False,
        format="JPEG",
        size_before=len(PHOTO),
        etag_before="etag-before",
        version_before="v1",
        origin_version="v1",
        size=len(data),
        sha256=digest(data),
        md5=hashlib.md5(data).hexdigest(),
    )


def test_the_log_has_the_original_script_s_lines(bench: Bench) -> None:
    report, _ = bench.press(PHOTO)

    file = bench.folder / "1" / "imagem1.jpg"
    before, after = report.result.bytes_before or 0, report.result.bytes_after or 0
    assert [event.message for event in report.events] == [
        "Downloading object imagens/imagem1.jpg from AWS S3.",
        f"File saved in {file} with size: {journal.megabytes(before)}",
        f"Compressing {file} object as JPEG file",
        f"Upload object {KEY} for bucket meu-bucket with size {journal.megabytes(after)}",
        f"File {file} was deleted.",
    ]
    assert {event.level for event in report.events} == {"INFO"}


@pytest.mark.parametrize(
    "key",
    ["photos/compressed", "compressed", "../../etc/passwd", "/", "..", "a/../", "\0\n", "é" * 512],
)
@pytest.mark.parametrize("data", [PHOTO, animated_png(compress_level=0)], ids=["JPEG", "APNG"])
def test_any_key_has_files_of_its_own_inside_the_folder(
    bench: Bench, key: str, data: bytes
) -> None:
    report, _ = bench.press(data, Row(7, key, 0))

    assert report.result.outcome is Outcome.COMPRESSED
    (request,) = bench.pool.requests
    assert request.source != request.output
    assert request.source.parent == request.output.parent == bench.folder / "7"


def test_a_codec_that_dies_is_followed_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codec process knows no codec of that name, and ends."""
    (best, *_) = (codec for codec in codec_table.CODECS if codec.format is ImageFormat.JPEG)
    unknown = replace(best, name="unknown")
    monkeypatch.setattr(codec_table, "CODECS", (unknown, *codec_table.CODECS))

    report, _ = bench.press(PHOTO)

    assert report.result.outcome is Outcome.COMPRESSED
    assert [request.codec for request in bench.pool.requests] == ["unknown", best.name]


@pytest.mark.parametrize(
    ("name", "next_one"), [("png", "png-lossless"), ("png-lossless", "png-stream")]
)
def test_a_picture_is_left_to_a_codec_that_fits_into_memory(
    bench: Bench, name: str, next_one: str
) -> None:
    codec = codec_table.codec_named(name, ImageFormat.PNG)
    header = ImageHeader(ImageFormat.PNG, 300, 200, 8, 3)
    bench.memory = codec.memory_needed(header, len(DEFLATED_BADLY)) - 1

    report, _ = bench.press(DEFLATED_BADLY)

    assert report.result.outcome is Outcome.COMPRESSED
    assert [request.codec for request in bench.pool.requests] == [next_one]


# A row that is not


def test_a_bad_row_costs_no_request(bench: Bench) -> None:
    report, store = bench.press(PHOTO, Row(5, "", 0, "the path is empty"))

    assert report.result.reason is FailureCode.INVALID_ROW
    assert report.result.message == "Row 5: the path is empty."
    assert not store.opened


def stays(bench: Bench, data: bytes, reason: SkipReason | FailureCode) -> RowResult:
    report, store = bench.press(data)
    assert report.result.reason is reason
    assert store.replaced is None
    assert report.result.bytes_after is None
    assert report.result.etag_after is None
    assert f": {reason}: " in "".join(event.message for event in report.events)
    return report.result


def test_what_gets_no_smaller_stays(bench: Bench) -> None:
    packed, _ = _packed(bench)
    result = stays(bench, packed, SkipReason.NOT_SMALLER)

    assert result.bytes_before == len(packed)
    assert result.format == "PNG"


def _packed(bench: Bench) -> tuple[bytes, Marker]:
    """A PNG that has been through the codec."""
    bench.settings = RunSettings(perc_compression_quality=100)
    _, store = bench.press(png())
    assert store.replaced is not None
    return store.replaced


@pytest.mark.parametrize("percent", [99, 90])
def test_what_saves_less_than_is_worth_it_stays(bench: Bench, percent: int) -> None:
    bench.settings = RunSettings(min_savings_percent=percent)

    assert str(percent) in stays(bench, PHOTO, SkipReason.NOT_SMALLER).message


def test_a_saving_of_nothing_is_none_even_where_nothing_is_asked_for(bench: Bench) -> None:
    packed, _ = _packed(bench)
    bench.settings = replace(bench.settings, min_savings_percent=0)

    stays(bench, packed, SkipReason.NOT_SMALLER)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", FailureCode.CORRUPT_IMAGE),
        (PHOTO[: len(PHOTO) // 2], FailureCode.CORRUPT_IMAGE),
        (PHOTO[:50], FailureCode.CORRUPT_IMAGE),
        (b"Not a picture at all.", SkipReason.UNSUPPORTED_FORMAT),
        (b"GIF89a", SkipReason.UNSUPPORTED_FORMAT),
        (PHOTO + b"a film", SkipReason.UNSUPPORTED_IMAGE),
    ],
)
def test_what_cannot_be_done_stays(
    bench: Bench, data: bytes, reason: SkipReason | FailureCode
) -> None:
    stays(bench, data, reason)


def test_too_many_pixels_are_refused_before_anything_is_decoded(bench: Bench) -> None:
    bench.settings = RunSettings(max_image_pixels=300 * 200 - 1)

    result = stays(bench, PHOTO, FailureCode.TOO_MANY_PIXELS)

    assert "300 x 200 = 60,000 pixels; max_image_pixels is 59,999" in result.message
    assert not bench.pool.requests


def test_a_picture_that_the_memory_cannot_hold_is_refused_beforehand(bench: Bench) -> None:
    bench.memory = 10**8

    stays(bench, PHOTO, FailureCode.TOO_LARGE_FOR_MEMORY)

    assert not bench.pool.requests


def test_an_object_that_the_folder_cannot_hold_twice_is_not_downloaded(bench: Bench) -> None:
    bench.temp_space = 2 * len(PHOTO) - 1

    stays(bench, PHOTO, FailureCode.NO_TEMP_SPACE)


def test_a_folder_that_is_gone_costs_its_row(bench: Bench) -> None:
    bench.folder /= "gone"

    stays(bench, PHOTO, FailureCode.NO_TEMP_SPACE)


def test_a_download_that_fills_the_disk_costs_its_row() -> None:
    body = StreamingBody(io.BytesIO(PHOTO), len(PHOTO))

    with pytest.raises(RowFailed, match="cannot be saved") as failed:
        download(body, Path("/dev/full"))

    assert failed.value.code is FailureCode.NO_TEMP_SPACE


def test_an_error_is_logged_as_one(bench: Bench) -> None:
    report, _ = bench.press(PHOTO[:50])

    assert [event.level for event in report.events if "failed" in event.message] == ["ERROR"]


# A row that comes back


def test_a_download_that_breaks_off_comes_back(bench: Bench) -> None:
    bench.breaks = True

    with pytest.raises(PassingError, match="broke off"):
        bench.press(PHOTO)


def test_a_picture_that_there_is_no_time_left_for_comes_back(bench: Bench) -> None:
    bench.seconds_left = 0.0001

    with pytest.raises(PassingError, match="not enough time left"):
        bench.press(png(photograph(size=(1500, 1500))))


def test_a_picture_that_takes_longer_than_any_may_fails(bench: Bench) -> None:
    bench.encode_seconds = 0.0001

    stays(bench, png(photograph(size=(1500, 1500))), FailureCode.CODEC_TIMEOUT)


# An object that one of our runs has left; with a checksum of S3's, and without


@pytest.fixture(params=[True, False], ids=["checksum", "no checksum"])
def marked_bench(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    bench.sha256 = digest(PHOTO) if request.param else None
    return bench


def test_a_retry_finds_its_own_work_done(marked_bench: Bench) -> None:
    marked_bench.metadata = marked(PHOTO)

    report, store = marked_bench.press(PHOTO)

    result = report.result
    assert store.replaced is None
    assert result.outcome is Outcome.COMPRESSED
    assert (result.bytes_before, result.bytes_after) == (99_999, len(PHOTO))
    assert (result.etag_before, result.version_before) == ("etag-original", "v0")
    assert (result.etag_after, result.version_after) == ("etag-before", "v1")
    assert (result.encoder, result.quality, result.format) == ("jpegli", 80, "JPEG")


def test_another_row_of_the_run_is_a_duplicate(marked_bench: Bench) -> None:
    marked_bench.metadata = marked(PHOTO, row=2)

    result = stays(marked_bench, PHOTO, SkipReason.DUPLICATE)

    assert result.bytes_before is None
    assert "Row 2" in result.message


def test_the_same_settings_have_nothing_to_do(marked_bench: Bench) -> None:
    marked_bench.metadata = marked(PHOTO, run="another")

    stays(marked_bench, PHOTO, SkipReason.ALREADY_COMPRESSED)


def test_other_settings_make_no_second_lossy_pass(marked_bench: Bench) -> None:
    marked_bench.metadata = marked(PHOTO, run="another", digest="other")
    marked_bench.settings = RunSettings(perc_compression_quality=50)

    assert "quality 80" in stays(marked_bench, PHOTO, SkipReason.LOSSY_BEFORE).message


@pytest.mark.parametrize(
    ("changes", "quality"),
    [({"lossless": True, "quality": None}, 50), ({"lossless": False}, 100)],
)
def test_a_pass_that_loses_nothing_twice_may_follow(
    marked_bench: Bench, changes: dict[str, Any], quality: int
) -> None:
    marked_bench.metadata = marked(PHOTO, run="another", digest="other", **changes)
    marked_bench.settings = RunSettings(perc_compression_quality=quality)

    report, _ = marked_bench.press(PHOTO)

    assert report.result.outcome is Outcome.COMPRESSED


@pytest.mark.parametrize(
    "metadata",
    [
        marked(PHOTO, size=len(PHOTO) + 1),
        marked(PHOTO, sha256=digest(b"other bytes")),
        {METADATA_NAME: "garbage"},
        {METADATA_NAME: "{}"},
    ],
    ids=["size", "digest", "garbage", "empty"],
)
def test_a_marker_that_is_not_this_object_s_is_none(
    marked_bench: Bench, metadata: dict[str, str]
) -> None:
    marked_bench.metadata = metadata

    report, store = marked_bench.press(PHOTO)

    assert report.result.outcome is Outcome.COMPRESSED
    assert store.replaced is not None


def test_a_marker_is_found_without_a_download_where_s3_has_the_checksum(bench: Bench) -> None:
    bench.sha256 = digest(PHOTO)
    bench.metadata = marked(PHOTO, run="another")

    report, _ = bench.press(PHOTO)

    assert not any("saved" in event.message for event in report.events)


# Rows that end without being worked on


def test_a_row_that_was_never_tried_has_its_outcome() -> None:
    lost = without_trying(ROW, RowFailed(FailureCode.WORKER_LOST, "No worker came back."))
    cancelled = without_trying(ROW, RowSkipped(SkipReason.CANCELLED, "Stopped."))

    assert (lost.result.outcome, lost.result.reason) == (Outcome.FAILED, FailureCode.WORKER_LOST)
    assert cancelled.result.outcome is Outcome.SKIPPED
    assert [event.message for event in lost.events] == [
        f"Object {KEY} failed: WORKER_LOST: No worker came back."
    ]


# File names


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("imagens/imagem1.jpg", "imagem1.jpg"),
        ("imagem1.jpg", "imagem1.jpg"),
        ("odd keys/two words + a plus.jpg", "two words _ a plus.jpg"),
        ("coração/写真.png", "写真.png"),
        ("../../etc/passwd", "passwd"),
        ("..", "image"),
        (".", "image"),
        ("a/..", "image"),
        ("a/../", "image"),
        ("", "image"),
        ("///", "image"),
        ("a/b/", "b"),
        ("a\0b\nc.jpg", "a_b_c.jpg"),
        ("C:\\photos\\a.jpg", "C__photos_a.jpg"),
        ("-rf", "-rf"),
        ("x" * 1020 + ".jpg", "x" * 56 + ".jpg"),
    ],
)
def test_a_file_is_named_after_its_key(key: str, name: str) -> None:
    assert safe_file_name(key) == name


@given(st.text())
@example("写" * 341)
@example("\U0001f304" * 256)
@example("𠀀" * 256)
def test_a_file_name_never_leaves_its_folder(key: str) -> None:
    name = safe_file_name(key)

    folder = Path("/tmp/private")
    assert (folder / name).parent == folder
    assert Path(name).name == name
    assert name not in (".", "..")
    assert len(name.encode()) <= 255
    assert name.isprintable()


# A piece of the picture for the report


def test_no_piece_of_a_picture_is_kept_unasked(bench: Bench) -> None:
    report, _ = bench.press(PHOTO)

    assert report.sample is None
    assert "sample" not in report.to_json()


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_piece_of_a_picture_is_kept_where_the_run_asks_for_it(
    bench: Bench, *, dry_run: bool
) -> None:
    bench.settings = RunSettings(report_samples=1, dry_run=dry_run)
    report, store = bench.press(PHOTO)

    assert report.sample is not None
    assert report.sample.before != report.sample.after
    assert (store.replaced is None) == dry_run


def test_a_row_that_is_not_drawn_keeps_nothing(bench: Bench) -> None:
    bench.settings = RunSettings(report_samples=1)
    report, _ = bench.press(PHOTO, ROW._replace(number=10**9))

    assert report.result.outcome is Outcome.COMPRESSED
    assert report.sample is None


def test_what_is_left_as_it_is_keeps_nothing(bench: Bench) -> None:
    bench.settings = RunSettings(report_samples=20, min_savings_percent=99)
    report, _ = bench.press(PHOTO)

    assert report.result.outcome is Outcome.SKIPPED
    assert report.sample is None


@pytest.mark.parametrize(
    "fault", [RowFailed(FailureCode.CODEC_CRASHED, "It died."), OSError("No more processes.")]
)
def test_a_piece_that_cannot_be_made_is_no_loss_to_the_row(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(CodecPool, "sample", fail)
    bench.settings = RunSettings(report_samples=1)
    report, store = bench.press(PHOTO)

    assert report.result.outcome is Outcome.COMPRESSED
    assert store.replaced is not None
    assert report.sample is None


def test_a_piece_is_not_made_where_memory_or_time_are_short(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.settings = RunSettings(report_samples=1)
    bench.seconds_left = 9.0
    assert bench.press(PHOTO)[0].sample is None

    bench.seconds_left = math.inf
    monkeypatch.setattr(workshop, "SAMPLE_PROCESS_BYTES", bench.memory)
    assert bench.press(PHOTO)[0].sample is None
