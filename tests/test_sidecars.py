"""The beamline's sidecar files, in both spellings and with what people leave out."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import pytest

from catalog_builder.records import Beamtime
from catalog_builder.sidecars import beamtime_from_metadata, listed_scans, scan_groups

BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str, id: str = "11018801") -> Beamtime:
    return beamtime_from_metadata(id, 2023, text, where=f"{id}/m.json", timezone=BERLIN)


@pytest.mark.parametrize("spelling", ["eventStart", "event-start", "event-Start"])
def test_both_spellings_of_the_keys_are_understood(spelling: str) -> None:
    beamtime = read(f'{{"{spelling}": "2023-10-06 08:00:00", "proposal-id": "20230412", "beamtimeId": "11018801"}}')
    assert beamtime.start == datetime(2023, 10, 6, 6, 0, tzinfo=UTC)
    assert beamtime.proposal_id == "20230412"


def test_beamtime_and_proposal_are_separate_fields() -> None:
    beamtime = read('{"beamtimeId": "11018801", "proposalId": 20230412, "proposalType": "I"}')
    assert (beamtime.id, beamtime.proposal_id, beamtime.proposal_type) == ("11018801", "20230412", "I")


@pytest.mark.parametrize("nothing", ['"None"', '""', "null", '"  "', "{}", "[]", "true"])
def test_what_stands_for_nothing_is_nothing(nothing: str) -> None:
    assert read(f'{{"title": {nothing}, "pi": {nothing}, "eventEnd": {nothing}}}').title is None


def test_the_pi_is_called_by_the_last_name() -> None:
    assert read('{"pi": {"lastname": "Prüfer", "email": "p@example.org"}}').pi == "Prüfer"
    assert read('{"pi": "None", "leader": {"lastname": "Prüfer"}}').pi == "Prüfer"


def test_a_file_of_another_beamtime_is_a_problem_and_grants_nothing() -> None:
    beamtime = read('{"beamtimeId": "99", "ownerGroup": "99-dmgt", "accessGroups": ["99-clbt"]}')
    assert beamtime.id == "11018801"
    assert (beamtime.owner_groups, beamtime.access_groups) == ((), ())
    assert "names beamtime 99" in beamtime.problems[0].what


def test_groups_of_the_metadata_are_taken() -> None:
    beamtime = read('{"beamtimeId": "11018801", "ownerGroup": "x-dmgt", "accessGroups": ["x-clbt", ""]}')
    assert (beamtime.owner_groups, beamtime.access_groups) == (("x-dmgt",), ("x-clbt",))


@pytest.mark.parametrize("damage", ["Something{ wrong", "", "[1, 2]", '"text"', "\ufffd"])
def test_a_damaged_file_is_a_named_problem(damage: str) -> None:
    beamtime = read(damage)
    assert beamtime.id == "11018801"
    assert beamtime.problems[0].where == "11018801/m.json"


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("__command__ start calib\nmyscan_00001\nmyscan_00002 ../lambda2/\n__command__ stop\nmyscan_00003\n",
         {"myscan_00001": "calib", "myscan_00002": "calib"}),
        ("film:myscan_00007\n", {"myscan_00007": "film"}),
        ("__command__ start a\nx_1\n__command__ start b\nx_2\nc:x_3\nx_4\n",
         {"x_1": "a", "x_2": "b", "x_3": "c", "x_4": "b"}),
        ("# a comment\n\n   \n__command__\n__command__ start\nx_1\n", {}),
        ("__command__ start a\nx_1:1702988846.0770347\n__command__ stop\na:1702988850.5\n", {"x_1": "a"}),
        ("__command__ start a\nmany::/scan12;many_00012\n", {"many~scan12": "a", "many": "a"}),
    ],
)  # fmt: skip
def test_lists_say_which_scans_belong_together(text: str, groups: dict[str, str]) -> None:
    assert scan_groups(text, PurePosixPath()) == groups


def test_words_behind_a_scan_are_further_folders_of_it_below_raw() -> None:
    (scan,) = listed_scans("x_1 ../lambda1/ pilatus ../../elsewhere /etc ..", PurePosixPath("night2"))
    assert scan.path == PurePosixPath("night2/x_1")
    assert scan.folders == (PurePosixPath("lambda1"), PurePosixPath("night2/pilatus"))


def test_a_scan_that_leads_out_of_raw_is_none_of_the_beamtime() -> None:
    assert list(listed_scans("../x_1\n/x_2\n..\n", PurePosixPath())) == []


def test_the_lines_of_a_list_are_relative_to_its_own_folder() -> None:
    assert scan_groups("film:align_00012", PurePosixPath("night2")) == {"night2~align_00012": "film"}
