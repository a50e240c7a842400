import itertools
import stat
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Barrier, Event, current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.engine import WINDOW_A_THREAD, in_order, private_folder

SECONDS = 60.0


# in_order


@given(st.lists(st.integers(), max_size=100), st.integers(1, 8))
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int) -> None:
    assert list(in_order(lambda item: item * 2, items, threads)) == [item * 2 for item in items]


def test_a_slow_item_does_not_lose_its_place() -> None:
    second_is_done = Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(SECONDS)
        else:
            second_is_done.set()
        return item

    assert list(in_order(work, range(10), 2)) == list(range(10))


def test_as_many_items_are_worked_on_at_once_as_there_are_threads() -> None:
    together = Barrier(4)

    def work(item: int) -> int:
        together.wait(SECONDS)
        return item

    assert list(in_order(work, range(16), 4)) == list(range(16))


def test_no_more_items_are_worked_on_at_once_than_there_are_threads() -> None:
    all_are_waiting = Event()
    workers: set[str] = set()

    def window() -> Iterator[int]:
        yield from range(3 * WINDOW_A_THREAD - 1)
        all_are_waiting.set()

    def work(item: int) -> None:
        assert all_are_waiting.wait(SECONDS)
        workers.add(current_thread().name)

    list(in_order(work, window(), 3))

    assert len(workers) <= 3


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_items_are_taken_only_a_window_ahead(threads: int) -> None:
    items = itertools.count()
    results = in_order(lambda item: item, items, threads)
    for given_out in range(1, 200):
        assert next(results) == given_out - 1
        taken = int(repr(items)[len("count(") : -1])
        assert taken < given_out + threads * WINDOW_A_THREAD
    results.close()  # type: ignore[attr-defined]


def test_nothing_begins_before_the_first_result_is_asked_for() -> None:
    begun: list[int] = []

    in_order(begun.append, range(10), 2)

    assert not begun


def test_no_items_have_no_results() -> None:
    assert list(in_order(lambda item: item, [], 4)) == []


def test_an_exception_rises_in_its_turn() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the fourth")
        return item

    results = in_order(work, range(100), 4)

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)


def test_behind_an_exception_nothing_else_begins() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        list(in_order(work, itertools.count(), 2))

    assert len(begun) <= 2 * WINDOW_A_THREAD


def test_what_has_begun_is_ended_before_an_exception_rises() -> None:
    ended: list[int] = []
    second_has_begun = Event()

    def work(item: int) -> None:
        if item == 0:
            assert second_has_begun.wait(SECONDS)
            raise ValueError
        second_has_begun.set()
        sum(range(100_000))
        ended.append(item)

    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        list(in_order(work, range(2), 2))

    assert ended == [1]


def test_who_stops_asking_stops_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    second_has_begun, rest_is_cancelled = Event(), Event()
    cancelled: list[bool] = []
    cancel = Future.cancel

    def noted(future: Future[None]) -> bool:
        cancelled.append(cancel(future))
        if cancelled.count(True) == WINDOW_A_THREAD - 2:
            rest_is_cancelled.set()
        return cancelled[-1]

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            second_has_begun.set()
            rest_is_cancelled.wait(SECONDS)

    monkeypatch.setattr(Future, "cancel", noted)
    results = in_order(work, itertools.count(), 1)
    next(results)
    second_has_begun.wait(SECONDS)

    results.close()  # type: ignore[attr-defined]

    assert begun == [0, 1]


# private_folder


def test_a_private_folder_is_ours_and_inside(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_private_folders_are_two(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as one, private_folder(str(tmp_path)) as other:
        assert one != other


def test_a_private_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as folder:
        (folder / "1" / "2").mkdir(parents=True)
        (folder / "1" / "2" / "image.jpg").write_bytes(b"x")

    assert list(tmp_path.iterdir()) == []


def test_only_the_private_folder_goes(tmp_path: Path) -> None:
    neighbour = tmp_path / "imagepress-neighbour"
    neighbour.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("x")
    with private_folder(str(tmp_path)) as folder:
        (folder / "link").symlink_to(outside)
        (folder / "folder").symlink_to(neighbour)

    assert outside.exists()
    assert neighbour.exists()


def test_a_private_folder_goes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), private_folder(str(tmp_path)) as folder:
        _interrupted(folder)

    assert list(tmp_path.iterdir()) == []


def _interrupted(folder: Path) -> None:
    (folder / "image.jpg").write_bytes(b"x")
    raise KeyboardInterrupt


def test_a_private_folder_that_somebody_removed_is_no_fault(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as folder:
        folder.rmdir()

    assert list(tmp_path.iterdir()) == []
