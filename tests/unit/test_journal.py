import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress import journal
from imagepress.journal import Event, event_from_json

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
FILE = "/tmp/imagem1.jpg"
FORGERIES = [
    "a.jpg\n2024-02-01 12:00:00 - INFO - File /tmp/b.jpg was deleted.",
    "a.jpg\r2024-02-01 12:00:00 - ERROR - forged",
    "a.jpg\r\nforged",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei",
    "a\0b\x1b[2Kc\x08d",
    "a\u202egpj.exe",
    "a\ufeff\u200b\u00ad",
]


def test_the_lines_are_the_original_script_s_to_the_letter() -> None:
    sentences = [
        journal.downloading("imagens/imagem1.jpg"),
        journal.saved(FILE, 3_500_000),
        journal.compressing(FILE, "JPEG"),
        journal.uploaded("imagens/imagem1.jpg", "meu-bucket", 2_100_000),
        journal.deleted(FILE),
    ]
    start = NOON.timestamp()
    events = [
        Event(start + 5 * index, journal.INFO, sentence) for index, sentence in enumerate(sentences)
    ]

    assert journal.lines(events) == (
        "2024-02-01 12:00:00 - INFO - Downloading object imagens/imagem1.jpg from AWS S3.\n"
        "2024-02-01 12:00:05 - INFO - File saved in /tmp/imagem1.jpg with size: 3.5 MB\n"
        "2024-02-01 12:00:10 - INFO - Compressing /tmp/imagem1.jpg object as JPEG file\n"
        "2024-02-01 12:00:15 - INFO - Upload object imagens/imagem1.jpg for bucket meu-bucket "
        "with size 2.1 MB\n"
        "2024-02-01 12:00:20 - INFO - File /tmp/imagem1.jpg was deleted.\n"
    )


@pytest.mark.parametrize("level", [journal.INFO, journal.WARNING, journal.ERROR])
def test_a_line_names_its_level(level: str) -> None:
    event = Event(NOON.timestamp(), level, "message")

    assert journal.line(event) == f"2024-02-01 12:00:00 - {level} - message"


@pytest.mark.parametrize("key", FORGERIES)
def test_no_key_forges_a_line(key: str) -> None:
    text = journal.lines([Event(0, journal.INFO, journal.downloading(key))])

    assert text.splitlines() == [text.removesuffix("\n")]
    assert text.removesuffix("\n").isprintable()


@given(st.text())
def test_any_message_is_one_printable_line(message: str) -> None:
    text = journal.lines([Event(0, journal.INFO, message)])

    assert len(text.splitlines()) == 1
    assert text.removesuffix("\n").isprintable()
    assert text.encode()


@pytest.mark.parametrize("text", ["imagens/imagem1.jpg", "coração \U0001f304 + %20.jpg", "a\\nb"])
def test_a_harmless_key_is_shown_as_it_is(text: str) -> None:
    assert journal.one_line(text) == text


@given(st.text(st.characters(exclude_characters="\\")))
def test_what_was_escaped_can_be_read_back(text: str) -> None:
    escapes = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])")
    shown = escapes.sub(
        lambda escape: escape[0].encode().decode("unicode_escape"), journal.one_line(text)
    )

    assert shown == text


# Sizes


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0.0 MB"),
        (1, "0.000001 MB"),
        (12, "0.000012 MB"),
        (123, "0.00012 MB"),
        (1_234, "0.0012 MB"),
        (12_345, "0.012 MB"),
        (123_456, "0.12 MB"),
        (900_000, "0.90 MB"),
        (949_999, "0.95 MB"),
        (999_999, "1.0 MB"),
        (1_000_000, "1.0 MB"),
        (2_100_000, "2.1 MB"),
        (3_500_000, "3.5 MB"),
        (123_456_789, "123.5 MB"),
        (5_000_000_000, "5000.0 MB"),
        (-3_500_000, "-3.5 MB"),
    ],
)
def test_sizes_are_in_megabytes(size: int, shown: str) -> None:
    assert journal.megabytes(size) == shown


@given(st.integers(1, 10**10))
def test_a_size_that_is_something_is_never_shown_as_nothing(size: int) -> None:
    shown = float(journal.megabytes(size).removesuffix(" MB"))

    assert shown == pytest.approx(size / 1e6, rel=0.06)


# Names and records


def test_the_log_is_named_after_the_run_s_start() -> None:
    assert journal.log_name(NOON) == "compression_2024-02-01_12-00-00.log"


def test_the_log_s_name_is_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=9)))

    assert journal.log_name(there) == journal.log_name(NOON)


@given(st.integers(0, 4 * 10**12), st.sampled_from(["INFO", "ERROR"]), st.text())
def test_an_event_survives_json(milliseconds: int, level: str, message: str) -> None:
    event = Event(milliseconds / 1000, level, message)

    assert event_from_json(event.to_json()) == event
