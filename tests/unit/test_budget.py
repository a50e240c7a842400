from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread

import pytest

from imagepress.budget import Budget

SECONDS = 60.0


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
