"""When a source is ripe: settled, at its end, growing for long enough."""

import json

from catalog_builder.buildstate import SourceRow
from catalog_builder.config import WatchSettings
from catalog_builder.discover import FoundFile, FoundSeries, Source
from catalog_builder.watch.settling import SOON, Settling


class Clock:
    """Both clocks: the files' times are on it too."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def settling(clock: Clock, *ended: str) -> Settling:
    return Settling(WatchSettings(settle_seconds=2, running_seconds=10), set(ended).__contains__, clock, clock)


def source(written: float, *, size: int = 1, name: str = "a_00001.fio", frames: int = 0) -> Source:
    ns = int(written * 1e9)
    file = FoundFile(path=f"raw/{name}", size=size, mtime_ns=ns, inode=7)
    folder = f"raw/{name.partition('.')[0]}/det"
    series = FoundSeries(path=folder, suffix=".cbf", count=frames, size=9, first_ns=ns, last_ns=ns, detector="det")
    return Source(beamtime="11", path=name, readers=("fio",), files=(file,), series=(series,) if frames else ())


def row(of: Source, *, again_at: float | None = None, scans: tuple[str, ...] = ("scan:11/a_00001",)) -> SourceRow:
    return SourceRow(
        beamtime="11", path=of.path, signature=of.signature, settings="", scans=scans, problems=(), again_at=again_at,
        failed=not scans,
    )  # fmt: skip


def asked(judge: Settling, one: Source, before: SourceRow | None) -> bool:
    judge.begin()
    is_ripe = judge.is_ripe(one, before)
    judge.end()
    return is_ripe


def test_a_new_file_is_ripe_once_it_has_settled() -> None:
    clock = Clock()
    judge = settling(clock)
    assert judge.told("raw/a_00001.fio", closed=False) == 1002
    assert not asked(judge, source(1000), None)
    assert judge.due() == 1002
    clock.now = 1002
    assert asked(judge, source(1000), None)
    assert judge.due() is None


def test_what_was_written_long_ago_is_ripe_at_once() -> None:
    assert asked(settling(Clock()), source(500), None)


def test_a_file_from_a_clock_ahead_of_ours_is_ripe_once_we_saw_it_stay_the_same() -> None:
    clock = Clock()
    judge = settling(clock)
    assert not asked(judge, source(5000), None)
    clock.now = 1002
    assert asked(judge, source(5000), None)


def test_a_new_file_that_grows_appears_soon_and_then_once_in_a_while() -> None:
    clock = Clock()
    judge = settling(clock)
    taken = []
    before: SourceRow | None = None
    for second in range(30):
        clock.now = 1000.0 + second
        now = source(clock.now, size=second)
        if asked(judge, now, before):
            taken.append(second)
            before = row(now)
    assert taken == [2, 12, 22]
    clock.now += 2
    assert asked(judge, source(1029, size=29), before)


def test_a_file_at_its_end_is_ripe_at_once() -> None:
    clock = Clock()
    judge = settling(clock, "raw/a_00001.fio")
    assert judge.told("raw/a_00001.fio", closed=False) == 1000 + SOON
    assert asked(judge, source(1000), None)


def test_a_file_that_was_closed_is_ripe_at_once_but_not_again_and_again() -> None:
    clock = Clock()
    judge = settling(clock)
    assert judge.told("raw/a_00001.fio", closed=True) == 1000 + SOON
    assert asked(judge, source(1000), None)
    clock.now = 1001
    assert judge.told("raw/a_00001.fio", closed=True) == 1003  # opened and closed for each row
    assert not asked(judge, source(1001, size=2), row(source(1000)))
    judge.told("raw/a_00001.fio", closed=False)
    clock.now = 1003
    assert asked(judge, source(1001, size=2), row(source(1000)))


def test_a_file_written_to_after_it_was_closed_is_not_complete() -> None:
    clock = Clock()
    judge = settling(clock)
    judge.told("raw/a_00001.fio", closed=True)
    judge.told("raw/a_00001.fio", closed=False)
    assert not asked(judge, source(1000), None)


def test_what_a_list_names_anew_is_ripe_at_once_and_what_it_named_before_is_not() -> None:
    clock = Clock()
    judge = settling(clock)
    assert not judge.told_lists(["raw/b_00001"])
    assert not judge.told_lists(["raw/b_00001"])
    asked(judge, source(1000), None)
    assert judge.told_lists(["raw/b_00001", "raw/a_00001"])
    assert asked(judge, source(1000), None)
    assert judge.told_lists(["raw/b_00001", "raw/a_00001", "raw/a_00001"])  # measured again
    assert asked(judge, source(1000, size=2), row(source(1000)))


def test_a_file_that_is_held_is_looked_at_when_it_rests_and_not_at_each_change() -> None:
    clock = Clock()
    judge = settling(clock)
    assert asked(judge, source(900), None)
    for second in range(1, 9):
        clock.now = 1000.0 + second
        if second == 1:
            assert not asked(judge, source(clock.now, size=second), row(source(900)))
        assert judge.told("raw/a_00001.fio", closed=False) == min(clock.now + 2, 1010)
    assert judge.due() == 1010


def test_frames_count_as_changes_of_their_scan() -> None:
    clock = Clock()
    judge = settling(clock)
    assert asked(judge, source(900, frames=1), None)
    assert not asked(judge, source(1000, frames=2), row(source(900, frames=1)))
    clock.now = 1001
    assert judge.told("raw/a_00001/det/0003.cbf", closed=False) == 1003
    assert judge.due() == 1003


def test_a_source_that_killed_its_worker_is_tried_again_with_the_next_full_walk_alone() -> None:
    clock = Clock()
    judge = settling(clock)
    deadly = source(900)
    assert asked(judge, deadly, None)
    clock.now = 1100
    assert not asked(judge, deadly, row(deadly, again_at=0, scans=()))
    clock.now = 1300
    assert asked(judge, deadly, row(deadly, again_at=0, scans=()))


def test_what_the_build_wants_to_see_again_is_ripe() -> None:
    one = source(999.5)
    assert asked(settling(Clock()), one, row(one, again_at=999))
    assert json.loads(one.signature)["files"]
