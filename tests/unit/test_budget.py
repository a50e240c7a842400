from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.budget import Budget, memory_needed
from imagepress.image_header import ImageFormat, ImageHeader

SECONDS = 60.0
headers = st.builds(
    ImageHeader,
    st.sampled_from(ImageFormat),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(1, 4),
)


def takes_at_once(budget: Budget, amount: int) -> bool:
    """Whether a share of `amount` is free now."""
    taken = Event()

    def take() -> None:
        with budget.share(amount):
            taken.set()

    thread = Thread(target=take, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return taken.is_set()


def test_what_is_free_is_had_at_once() -> None:
    budget = Budget(10)

    with budget.share(4), budget.share(6):
        pass

    assert takes_at_once(budget, 10)


def test_a_share_is_given_back_when_its_holder_fails() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="no"), budget.share(10):
        raise ValueError("no")

    assert takes_at_once(budget, 10)


def test_who_asks_for_more_than_is_free_waits_until_it_is() -> None:
    budget = Budget(10)
    order: list[str] = []

    def wait_for_all() -> None:
        with budget.share(10):
            order.append("all")

    waiting = Thread(target=wait_for_all)
    with budget.share(1):
        waiting.start()
        assert takes_at_once(budget, 9)
        order.append("one")
    waiting.join(SECONDS)

    assert order == ["one", "all"]


@pytest.mark.parametrize("amounts", [[1] * 40, [10] * 10, [3, 7, 5, 5, 9, 1, 10] * 5])
def test_no_more_is_ever_out_than_there_is(amounts: list[int]) -> None:
    budget = Budget(10)
    lock = Lock()
    out = most = 0

    def use(amount: int) -> None:
        nonlocal out, most
        with budget.share(amount):
            with lock:
                out += amount
                most = max(most, out)
            sum(range(2000))
            with lock:
                out -= amount

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, amounts))

    assert most <= 10
    assert takes_at_once(budget, 10)


def test_nothing_can_be_had_of_nothing() -> None:
    with Budget(0).share(0):
        pass


# Estimates


@given(headers, st.integers(0, 5 << 30))
def test_a_larger_picture_needs_more_memory(header: ImageHeader, file_size: int) -> None:
    larger = ImageHeader(
        header.format, header.width + 1, header.height, header.depth, header.channels
    )
    needed = memory_needed(header, file_size)

    assert memory_needed(larger, file_size) > needed
    assert memory_needed(header, file_size + 1) > needed
    assert needed > 4 * header.pixels


def test_sixteen_bits_need_more_memory_than_eight() -> None:
    flat, deep = (ImageHeader(ImageFormat.PNG, 1000, 1000, depth, 3) for depth in (8, 16))

    assert memory_needed(deep, 0) > memory_needed(flat, 0)


def test_an_ordinary_photograph_fits_into_the_smallest_function() -> None:
    camera = ImageHeader(ImageFormat.JPEG, 8000, 6000, 8, 3)

    assert memory_needed(camera, 20_000_000) < 1_500_000_000
