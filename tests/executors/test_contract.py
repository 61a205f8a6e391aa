"""What every executor promises, and what a dying worker costs."""

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec

import pytest

from catalog_builder.executors import EXECUTORS, Done, Limits
from catalog_builder.executors.processes import AHEAD

_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed: the extra dask")
NAMES = [pytest.param(name, marks=_dask) if name == "dask" else name for name in EXECUTORS]


def run(name: str, task: Callable[[int], int], items: Iterable[int], limits: Limits) -> Iterator[Done[int, int]]:
    with EXECUTORS.get(name).opened(limits) as crew:
        yield from crew.run(task, items)


def squared(number: int) -> int:
    return number * number


def killed_by_13(number: int) -> int:
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def failing(number: int) -> int:
    raise ValueError(f"number {number}")


@pytest.mark.parametrize("name", NAMES)
def test_every_item_comes_back_once_with_its_result(name: str) -> None:
    done = list(run(name, squared, range(20), Limits(workers=2)))
    assert sorted((each.item, each.result) for each in done) == [(n, n * n) for n in range(20)]


@pytest.mark.parametrize("name", NAMES)
def test_no_items_give_nothing(name: str) -> None:
    assert list(run(name, squared, [], Limits(workers=2))) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_out_of_the_task_comes_through(name: str) -> None:
    with pytest.raises(ValueError, match="number 1"):
        list(run(name, failing, [1], Limits(workers=1)))


def test_a_worker_that_dies_costs_the_item_it_held_and_no_other() -> None:
    done = {each.item: each.result for each in run("processes", killed_by_13, range(20), Limits(workers=2))}
    assert done == {n: None if n == 13 else n for n in range(20)}


def hanging_on_13(number: int) -> int:
    if number == 13:
        re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter for ever
    return number


def hoarding_on_13(number: int) -> int:
    return len(bytes(2**34)) if number == 13 else number


def test_a_worker_that_hangs_costs_the_item_it_held_and_no_other() -> None:
    limits = Limits(workers=2, seconds=2)
    done = {each.item: each.result for each in run("processes", hanging_on_13, range(20), limits)}
    assert done == {n: None if n == 13 else n for n in range(20)}


def test_a_worker_gets_no_more_memory_than_its_limit() -> None:
    with pytest.raises(MemoryError):
        list(run("processes", hoarding_on_13, [13], Limits(workers=1)))


def test_items_are_taken_a_few_ahead_of_the_workers_never_all() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = run("processes", squared, endless(), Limits(workers=2))
    next(results)
    assert taken <= 2 * AHEAD
    results.close()  # type: ignore[attr-defined]


def pid_of(_: int) -> int:
    return os.getpid()


def test_workers_are_kept_from_one_run_to_the_next() -> None:
    with EXECUTORS.get("processes").opened(Limits(workers=1)) as crew:
        first = {done.result for done in crew.run(pid_of, range(3))}
        assert {done.result for done in crew.run(pid_of, range(3))} == first
        assert first != {os.getpid()}


def test_after_a_worker_died_the_crew_goes_on() -> None:
    with EXECUTORS.get("processes").opened(Limits(workers=1)) as crew:
        assert [done.result for done in crew.run(killed_by_13, [13])] == [None]
        assert [done.result for done in crew.run(killed_by_13, [1])] == [1]
