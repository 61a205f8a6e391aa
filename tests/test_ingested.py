"""What an ingest left beside a scan, as ``nxsfileinfo`` writes it and damaged."""

import base64
import json

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.ingested import attachment, metadata
from catalog_builder.records import Json


def written(**scientific: Json) -> str:
    return json.dumps({"description": "Water test", "scientificMetadata": scientific})


def test_values_and_units_are_taken_and_groups_joined_by_dots() -> None:
    temperature: Json = {"value": {"value": 0.82, "unit": "W", "type": "NX_FLOAT64", "strategy": "INIT"}}
    pressure: Json = {"shape": [2], "unit": "mbar", "value": [999.0, 999.1]}
    found = metadata(written(sample={"temperature": temperature}, data={"pressure": pressure}, beamtimeId="11018801"))
    assert found.parameters == {
        "sample.temperature": 0.82,
        "data.pressure": [999.0, 999.1],
        "beamtimeId": "11018801",
    }
    assert found.units == {"sample.temperature": "W", "data.pressure": "mbar"}
    assert found.title == "Water test"


def test_the_command_is_known_by_its_name() -> None:
    assert metadata(written(ScanCommand="ascan om 0 1 10 1")).command == "ascan om 0 1 10 1"


def test_who_may_see_a_scan_is_never_taken_from_it() -> None:
    text = json.dumps({"ownerGroup": "everybody", "accessGroups": ["everybody"], "isPublished": True})
    assert "everybody" not in repr(metadata(text))
    assert metadata(text).parameters == {}


def test_numbers_beyond_a_float_are_none_and_nests_end() -> None:
    deep: Json = 1.0
    for _ in range(40):
        deep = [deep]
    text = written(deep=deep).replace('"deep"', '"far": 1e999, "nan": NaN, "many": [1e999], "deep"')
    found = metadata(text)
    assert (found.parameters["far"], found.parameters["nan"], found.parameters["many"]) == (None, None, [None])
    assert json.dumps(found.parameters, allow_nan=False).count("[") < 40


def test_of_very_many_values_the_first_are_taken_and_the_rest_counted() -> None:
    found = metadata(written(**{f"v{n}": float(n) for n in range(2005)}))
    assert (len(found.parameters), found.left_out) == (2000, 5)


@pytest.mark.parametrize("value", ["x" * 10_000, ["x" * 100] * 100, [list(range(100))] * 25, ["é" * 1700]])
def test_a_file_adds_at_most_a_mebibyte_of_text_and_the_rest_is_counted(value: Json) -> None:
    found = metadata(written(**{f"v{n:04}": value for n in range(1500)}, last=7.0))
    assert 900_000 < len(json.dumps(dict(found.parameters))) <= 2**20
    assert len(found.parameters) + found.left_out == 1501
    assert (found.parameters["v0000"], found.parameters["last"]) == (value, 7.0)


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", "\ufffd", "[" * 100_000])
def test_damaged_metadata_are_refused_in_words(text: str) -> None:
    with pytest.raises(CatalogError, match=r"is not valid JSON|holds no JSON object"):
        metadata(text)


def test_a_picture_is_taken_out_of_its_data_address() -> None:
    text = json.dumps({"caption": "q map", "thumbnail": "data:image/png;base64," + base64.b64encode(b"PNG").decode()})
    found = attachment(text)
    assert (found.caption, found.content) == ("q map", b"PNG")


@pytest.mark.parametrize("address", [None, 7, "", "https://example.org/a.png", "data:image/svg+xml;base64,PHN2Zz4="])
def test_what_is_no_picture_in_the_file_itself_is_refused(address: Json) -> None:
    with pytest.raises(CatalogError, match="holds no picture"):
        attachment(json.dumps({"thumbnail": address}))


def test_a_damaged_picture_is_refused() -> None:
    with pytest.raises(CatalogError, match="damaged picture"):
        attachment('{"thumbnail": "data:image/png;base64,iVBOR*"}')
