"""Commits that are killed: what was said to be done is there, whole, and nothing of what was not."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from catalog_builder.facets import SearchRequest
from catalog_builder.search import Indexer, Searcher

from .committing import document, keys_of

SCRIPT = Path(__file__).with_name("committing.py")


def state_after(commit: int) -> dict[str, int]:
    """Give what each key holds after so many commits: the commit that wrote it last."""
    state: dict[str, int] = {}
    for number in range(1, commit + 1):
        state.pop(document(keys_of(number - 1)[0], 0).key, None)
        state |= {document(key, number).key: number for key in keys_of(number)}
    return state


def held(folder: Path) -> dict[str, int]:
    """Give what the index holds, by searching it; what rows, words, values and numbers say must be one."""
    searcher = Searcher(folder)
    result = searcher.search(SearchRequest(level="scan", sort="name", per_page=100), None)
    holding = {hit.key: hit.fields["commit"] for hit in result.hits}
    assert len(holding) == result.total
    for commit in set(holding.values()):
        keys = {key for key, number in holding.items() if number == commit}
        for query in (f"commit{commit}", f"macro:k{commit}", f"points:{commit}"):
            answer = searcher.search(SearchRequest(q=f'"{query}"' if query[0] == "c" else query, level="scan"), None)
            assert {hit.key for hit in answer.hits} == keys
    counts = {count.value: count.count for count in result.facets["macro"]}
    assert sum(counts.values()) == result.total
    return {key: number for key, number in holding.items() if isinstance(number, int)}


def killed(folder: Path, first: int, wait: float, largest: int) -> int:
    """Let a process commit from ``first`` on, kill it after so many seconds; give the last commit it said was done."""
    with subprocess.Popen(
        [sys.executable, SCRIPT, folder, str(first), str(largest)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        done = int(process.stdout.readline())
        time.sleep(wait)
        process.kill()
        lines = process.stdout.read().split()
    return int(lines[-1]) if lines else done


def kill_again_and_again(folder: Path, times: int) -> None:
    random, done = Random(times), 0
    for _ in range(times):
        done = killed(folder, done + 1, random.uniform(0, 0.2), random.choice([3, 10, 25_000]))
        holding = held(folder)
        # A commit may have been switched to before it could be said.
        assert holding in (state_after(done), state_after(done + 1))
        if holding != state_after(done):
            done += 1
    Indexer(folder).finish()
    assert held(folder) == state_after(done)


def test_commits_that_are_killed_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 3)


@pytest.mark.campaign
def test_fifty_commits_that_are_killed_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 50)
