"""The demo's tree: the same every time, small, with its accounts, settings and the way to tape."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import h5py
import pytest

from catalog_builder import config
from catalog_builder.access import Caller, Openings, Role, readable, roles
from catalog_builder.demo import Beamline, send_to_tape, settings_yaml, write_beamline
from catalog_builder.records import Beamtime


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Give each file's digest and time, and each folder's time."""
    found = {}
    for path in sorted(root.rglob("*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(root))] = (digest, path.stat().st_mtime_ns)
    return found


def scans_below(root: Path) -> int:
    """Count .fio files, NeXus entries and SPEC scans; a .fio and a .nxs of one stem are one."""
    stems = {path.with_suffix("") for path in root.glob("*/data/*/raw/**/*.fio")}
    entries = 0
    for path in root.glob("*/data/*/raw/*.nxs"):
        if h5py.is_hdf5(path) and path.with_suffix("") not in stems:
            try:
                with h5py.File(path) as file:
                    entries += len(file)
            except OSError:
                entries += 1
    spec = [path for path in root.glob("*/data/*/raw/*") if path.suffix in (".spec", ".dat")]
    return len(stems) + entries + sum(path.read_text().count("\n#S ") for path in spec)


def test_the_same_seed_gives_the_same_bytes_and_times_and_another_seed_others(demo: Beamline, tmp_path: Path) -> None:
    again = write_beamline(tmp_path)
    known = tree(demo.root)
    assert tree(again.root) == known
    assert again.accounts == demo.accounts
    other = tree(write_beamline(tmp_path, seed=9).root)
    assert other.keys() == known.keys()
    assert other["2023/data/11018801/raw/lsmo12_00005.fio"] != known["2023/data/11018801/raw/lsmo12_00005.fio"]


def test_it_is_small_and_holds_some_150_scans(demo: Beamline) -> None:
    assert sum(path.stat().st_size for path in demo.root.rglob("*") if path.is_file()) < 25e6
    assert 140 <= scans_below(demo.root) <= 160


def test_nothing_looks_young_and_times_lie_within_the_beamtime(demo: Beamline) -> None:
    for beamtime in demo.beamtimes:
        folder = demo.folder(beamtime)
        said = json.loads((folder / f"beamtime-metadata-{beamtime}.json").read_text())
        start, end = said.get("eventStart", said.get("event-start")), said.get("eventEnd", said.get("event-end"))
        first = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() - 86400
        last = datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp()
        for path in [folder, *folder.rglob("*")]:
            assert first < path.stat().st_mtime <= last


def test_metadata_has_both_spellings_and_its_own_proposal(demo: Beamline) -> None:
    said = {id: json.loads((demo.folder(id) / f"beamtime-metadata-{id}.json").read_text()) for id in demo.beamtimes}
    assert [id for id in said if "event-start" in said[id]] == ["11019947"]
    assert "core-path" in said["11019947"]
    assert said["11018801"]["eventStart"] == "2023-06-14 08:00:00"
    assert (said["11018801"]["proposalId"], said["11018801"]["proposalType"]) == ("20230418", "I")
    assert len({entry["proposalId"] for entry in said.values()}) == 4
    assert all(said[id]["beamtimeId"] == id for id in said)


def test_listed_groups_name_scans_that_are_there(monolayers: Path) -> None:
    lines = (monolayers / "scicat-datasets-11026540.lst").read_text().splitlines()
    assert lines[0] == "__command__ start dspc_compression"
    assert lines[-1] == "detector_calibration:lab6_00001"
    names = [line.split(":")[-1] for line in lines if not line.startswith("__command__")]
    assert all((monolayers / f"{name}.fio").is_file() for name in names)


def test_going_to_tape_empties_raw_and_writing_again_brings_everything_back(demo: Beamline, tmp_path: Path) -> None:
    copy = write_beamline(tmp_path)
    kept = {path for path in tree(tmp_path) if f"/{copy.for_tape}/raw/" not in path}
    send_to_tape(copy)
    assert set(tree(tmp_path)) == kept
    assert list((copy.folder(copy.for_tape) / "raw").iterdir()) == []
    assert write_beamline(tmp_path) == copy
    assert tree(tmp_path) == tree(demo.root)


def test_settings_load_and_give_each_account_its_beamtimes(demo: Beamline, tmp_path: Path) -> None:
    path = tmp_path / "site_config.yaml"
    path.write_text(settings_yaml(demo, tmp_path / "catalogue"))
    settings = config.load(path)
    assert (settings.title, settings.beamline, settings.facility) == ("P08 demo catalogue", "P08", "PETRA III")
    assert (settings.timezone, settings.catalogue) == ("Europe/Berlin", tmp_path / "catalogue")
    assert set(settings.quantities) == {"energy", "temperature", "pressure"}
    beamtimes = [Beamtime(id=id) for id in demo.beamtimes]
    closed = Openings(now=datetime.now(UTC))
    callers = [Caller(name=account.name, groups=frozenset(account.groups)) for account in demo.accounts]
    seen = {caller.name: readable(caller, beamtimes, settings.groups, closed) for caller in callers}
    assert seen == {"staff": set(demo.beamtimes), "nimmermehr": {"11026540"}, "mustermensch": {"11018801"}}
    staff = Caller(name="staff", groups=frozenset(demo.staff.groups))
    assert Role.ADMINISTER in roles(staff, beamtimes[0], settings.groups, closed)


def test_passwords_can_be_read_and_typed(demo: Beamline) -> None:
    assert all(re.fullmatch(rf"demo-{a.name}-[0-9a-f]{{6}}", a.password) for a in demo.accounts)


def test_an_unknown_beamtime_has_no_folder(demo: Beamline) -> None:
    with pytest.raises(KeyError):
        demo.folder("11017404")


@pytest.mark.parametrize(
    ("pattern", "command"),
    [
        ("short scans of one positioner align", "dscan samz -0.4 0.4 40 0.2"),
        ("short scans of one positioner align", "dscan  chi  -0.8  0.8  40  0.2"),
        ("rocking curves", "dscan  om  -0.243  0.243  90  1"),
        ("reflectivity", "a2scan tt 0.04 5.0 om 0.02 2.5 320 1.0"),
        ("reflectivity", "ascan qz 0.012 0.65 160 2.0"),
        ("truncation rods", "hklscan  1  1  0  0  0.3  2.7  400  1"),
        ("maps in reciprocal space", "mesh om 9.82 10.32 19 tt 19.7 20.58 19 0.5"),
        ("series in time", "timescan 180 10.0"),
    ],
)
def test_rules_know_commands_of_sardana_and_of_spec(demo: Beamline, tmp_path: Path, pattern: str, command: str) -> None:
    path = tmp_path / "site_config.yaml"
    path.write_text(settings_yaml(demo, tmp_path / "catalogue"))
    hit = [r.name for r in config.load(path).rules if r.match.command and re.search(r.match.command, command, re.I)]
    assert hit == [pattern]
