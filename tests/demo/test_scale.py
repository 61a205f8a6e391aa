"""The demo at size: exactly as many scans as asked for, over a decade, the same every time."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from catalog_builder.demo import Beamline, write_beamline

from .test_beamline import scans_below, tree
from .test_formats import parsed


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Beamline:
    return write_beamline(tmp_path_factory.mktemp("many"), scans=1500)


@pytest.mark.parametrize("scans", [1, 7, 400])
def test_there_are_as_many_scans_as_asked_for(tmp_path: Path, scans: int) -> None:
    beamline = write_beamline(tmp_path, scans=scans)
    assert scans_below(tmp_path) == scans
    assert all(beamline.folder(id).is_dir() for id in beamline.beamtimes)


def test_the_same_seed_gives_the_same_bytes_and_times(tmp_path: Path) -> None:
    first, second = (write_beamline(tmp_path / name, scans=300) for name in ("first", "second"))
    assert tree(first.root) == tree(second.root)


def test_sizes_and_samples_are_skewed_and_years_differ(many: Beamline) -> None:
    assert scans_below(many.root) == 1500
    sizes = sorted(sum(1 for _ in (many.folder(id) / "raw").iterdir()) for id in many.beamtimes)
    assert sizes[-1] > 2 * sizes[len(sizes) // 2]
    assert len({many.folder(id).parent.parent.name for id in many.beamtimes}) >= 4
    samples = Counter(parsed(path)[1]["sample_name"] for path in sorted(many.root.glob("*/data/*/raw/*.fio"))[::5])
    assert len(samples) > 15
    assert samples.most_common(1)[0][1] > 3 * samples.total() / len(samples)


def test_a_cast_scan_says_when_it_was_and_its_file_is_as_old(many: Beamline) -> None:
    path = min(many.root.glob("*/data/*/raw/*_00001.fio"))
    text = path.read_text()
    ended = datetime.strptime(text.rsplit("ended at ", 1)[1].strip(), "%a %b %d %H:%M:%S %Y")  # noqa: DTZ007
    assert abs(ended.timestamp() - path.stat().st_mtime) <= 14 * 3600 + 1
    command, parameters, columns = parsed(path)
    assert command
    assert parameters["title"].endswith(parameters["sample_name"])
    assert columns[parameters["signalcounter"]].size >= 21


def test_frames_are_few_and_the_oldest_beamtime_goes_to_tape(many: Beamline) -> None:
    assert 1 <= len(list(many.root.rglob("*.cbf"))) <= 9
    assert many.for_tape == many.beamtimes[0]
