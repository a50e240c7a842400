"""Row results and reports as they occur, for properties."""

from hypothesis import strategies as st

from imagepress.journal import Event
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.sample import Sample

paths = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["=1+2", "+1", "-1", "@a", "\tx", "\rx", "a\nb", 'a"b,c', "../x", "'=1", " ", "a\r"]
)
messages = st.text(st.characters(codec="utf-8"), max_size=30)
sizes = st.integers(0, 5 << 30)
names = st.none() | st.text("0123456789abcdef", min_size=1, max_size=32)

compressed = st.builds(
    RowResult,
    row=st.integers(1, 10**12),
    path=paths,
    outcome=st.just(Outcome.COMPRESSED),
    format=st.sampled_from(["JPEG", "PNG"]),
    bytes_before=sizes,
    bytes_after=sizes,
    encoder=st.sampled_from(["pillow-jpeg", "mozjpeg-lossless", "oxipng"]),
    quality=st.none() | st.integers(0, 100),
    seconds=st.integers(0, 10**6).map(lambda milliseconds: milliseconds / 1000),
    etag_before=names,
    etag_after=names,
    version_before=names,
    version_after=names,
    storage_class=st.none() | st.sampled_from(["STANDARD_IA", "GLACIER_IR"]),
    age_days=st.none() | st.integers(0, 10_000),
)
skipped = st.builds(
    RowResult,
    row=st.integers(1, 10**12),
    path=paths,
    outcome=st.just(Outcome.SKIPPED),
    reason=st.sampled_from(SkipReason),
    format=st.none() | st.sampled_from(["JPEG", "PNG"]),
    bytes_before=st.none() | sizes,
    bytes_after=st.none() | sizes,
    etag_before=names,
    message=messages,
)
failed = st.builds(
    RowResult,
    row=st.integers(1, 10**12),
    path=paths,
    outcome=st.just(Outcome.FAILED),
    reason=st.sampled_from(FailureCode),
    bytes_before=st.none() | sizes,
    etag_before=names,
    message=messages,
)
row_results = compressed | skipped | failed

events = st.builds(
    Event,
    st.integers(0, 4 * 10**12).map(lambda milliseconds: milliseconds / 1000),
    st.sampled_from(["INFO", "WARNING", "ERROR"]),
    messages,
)
samples = st.builds(
    Sample,
    st.sampled_from(["image/png", "image/jpeg"]),
    st.integers(1, 480),
    st.integers(1, 320),
    st.binary(max_size=9),
    st.binary(max_size=9),
)
row_reports = st.builds(
    RowReport, row_results, st.lists(events, max_size=4).map(tuple), st.none() | samples
)
