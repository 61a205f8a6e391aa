"""``catbuild remark``: corrections on the command line, taken back, and listed."""

import getpass
import json
from pathlib import Path

import pytest

from ..conftest import Site, fio
from ..test_cli import catbuild, could_not_run


@pytest.fixture
def built(site: Site) -> Site:
    raw = site.beamtime("11")
    for name in ("gk_00001", "gk_00002"):
        site.write(raw / f"{name}.fio", fio())
    assert catbuild(site.folder, "build").returncode == 0
    return site


def said(folder: Path, *words: str) -> str:
    done = catbuild(folder, "remark", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def log(folder: Path, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in said(folder, "log", *words, "--json").splitlines()]


def test_a_flag_is_set_with_the_login_name_and_a_reason_and_taken_back(built: Site) -> None:
    made = said(built.folder, "set", "11/gk_00001", "flag", "alignment", "--reason", "knife edge")
    assert made == "remark 1; to take it back: catbuild remark undo 1\n"
    (one,) = log(built.folder)
    assert {name: one[name] for name in ("id", "target", "field", "old", "new", "who", "via", "reason")} == {
        "id": 1,
        "target": "scan:11/gk_00001",
        "field": "flag",
        "old": "measurement",
        "new": "alignment",
        "who": getpass.getuser(),
        "via": "login",
        "reason": "knife edge",
    }
    assert said(built.folder, "undo", "1", "--who", "anna").startswith("remark 2")
    assert [(one["who"], one["via"], one["undoes"], one["new"]) for one in log(built.folder)][1] == (
        "anna",
        "stated",
        1,
        None,
    )


def test_a_dataset_is_flagged_and_freed_in_one_action(built: Site) -> None:
    assert said(built.folder, "set", "11/gk", "flag", "alignment").startswith("remarks 1 to 2; ")
    assert said(built.folder, "undo", "2").startswith("remarks 3 to 4; ")
    could_not_run(built.folder, ["remark", "undo", "2"], "remark 2 is undone already; to bring it back")


def test_keywords_titles_and_groups_are_written_as_people_write_them(built: Site) -> None:
    said(built.folder, "set", "11/gk_00001", "keywords", "--who", "anna", "XRR", "liquid")
    said(built.folder, "set", "--who", "anna", "11/gk_00001", "keywords", "--", "-XRR", "GID")
    said(built.folder, "set", "11/gk", "title", "Thin", "films")
    said(built.folder, "set", "11/gk_00001", "group", "bad night")
    said(built.folder, "set", "11/gk_00001", "group", "--clear")
    assert [one["new"] for one in log(built.folder)] == [
        {"add": ["XRR", "liquid"], "remove": []},
        {"add": ["GID"], "remove": ["XRR"]},
        "Thin films",
        "bad=20night",
        None,
    ]


def test_the_log_is_read_by_people_too_and_narrowed_to_a_scan_a_dataset_or_a_beamtime(built: Site) -> None:
    said(built.folder, "set", "11/gk_00001", "keywords", "XRR", "--who", "anna", "--reason", "seen\nit")
    said(built.folder, "set", "11/gk", "title", "films", "--who", "anna")
    first, second = said(built.folder, "log").splitlines()
    assert first.split("\t")[2:] == ["anna (stated)", "scan:11/gk_00001", "keywords", " -> +XRR", "seen it"]
    assert second.split("\t")[2:] == ["anna (stated)", "dataset:11/gk", "title", "gk -> films", ""]
    ids = [[one["id"] for one in log(built.folder, *key)] for key in (["11/gk_00001"], ["dataset:11/gk"], ["11"])]
    assert ids == [[1], [1, 2], [1, 2]]


def test_what_cannot_be_said_is_one_line_with_the_way_out(built: Site) -> None:
    def refused(words: list[str], *says: str) -> None:
        could_not_run(built.folder, ["remark", *words], *says)

    refused(["set", "11/gk_00001", "flag", "alignmnet"], "did you mean 'alignment'?")
    refused(["set", "11/gk_00001", "flags", "alignment"], "there is no field 'flags'; did you mean 'flag'?")
    refused(["set", "11/gk_0001", "flag", "alignment"], "has no scan or dataset 'gk_0001'; did you mean 'gk_00001'?")
    refused(["set", "11/gk_00001", "flag"], "give either a value or --clear")
    refused(["set", "11/gk_00001", "flag", "alignment", "--clear"], "give either a value or --clear")
    refused(["set", "11/gk_00001", "flag", "alignment", "--who", " "], "a name has 1 to 200 characters")
    refused(["undo", "7"], "there is no remark 7")
    refused(["log", "12"], "'12' is neither a key nor <beamtime>/<name>")
    assert log(built.folder) == []


def test_before_anything_is_built_there_is_nothing_to_correct(site: Site) -> None:
    could_not_run(site.folder, ["remark", "set", "11/gk_00001", "flag", "alignment"], "run: catbuild build")
