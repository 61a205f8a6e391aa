"""The cart on the server, and the tar as it comes over the wire."""

import io
import json
import tarfile
from collections.abc import Iterator

import httpx
import pytest

from .conftest import Running


@pytest.fixture
def anna(running: Running) -> Iterator[httpx.Client]:
    """Anna with an empty cart."""
    running.catalogue.carts.clear("anna")
    yield running.client("anna")
    running.catalogue.carts.clear("anna")


def test_a_form_puts_marked_rows_into_the_cart_and_goes_back(running: Running, anna: httpx.Client) -> None:
    keys = ["scan:11017404/marmot_00001", "dataset:11017404/marmot"]
    came_from = f"{running.base}/beamtimes/11017404/?page=1"
    answer = anna.post("/cart/add", data={"key": keys}, headers={"Referer": came_from})
    assert (answer.status_code, answer.headers["location"]) == (303, "/beamtimes/11017404/?page=1")
    assert sorted(anna.get("/api/cart").json()["keys"]) == sorted(keys)
    assert all(key in anna.get("/cart").text for key in keys)


@pytest.mark.parametrize("referer", ["https://evil.example/x", "", "javascript:x", "//evil.example"])
def test_back_is_never_another_site(anna: httpx.Client, referer: str) -> None:
    answer = anna.post("/cart/clear", headers={"Referer": referer})
    assert answer.headers["location"] == "/cart"


def test_what_is_taken_out_by_form_is_gone(anna: httpx.Client) -> None:
    anna.post("/api/cart", json={"add": ["scan:11017404/marmot_00001", "scan:11017404/marmot_00002"]})
    anna.post("/cart/remove", data={"key": "scan:11017404/marmot_00001"})
    assert anna.get("/api/cart").json()["keys"] == ["scan:11017404/marmot_00002"]
    anna.post("/cart/clear")
    assert anna.get("/api/cart").json()["keys"] == []


def test_the_api_tells_what_the_cart_holds(anna: httpx.Client) -> None:
    change = {"add": ["dataset:11017404/marmot", "scan:11017404/nothing"], "remove": ["scan:11017404/nothing"]}
    told = anna.post("/api/cart", json=change).json()
    assert told["not_found"] == ["scan:11017404/nothing"]
    line = told["lines"][0]
    assert (line["key"], line["address"], line["files"], line["on_disk"]) == (
        "dataset:11017404/marmot",
        "/beamtimes/11017404/datasets/marmot/",
        2,
        "disk",
    )
    assert (told["files"], told["size"]) == (2, line["size"])
    assert {**told, "not_found": None} == {**anna.get("/api/cart").json(), "not_found": None}


def test_the_download_is_a_tar_of_the_length_it_says(running: Running, anna: httpx.Client) -> None:
    anna.post("/api/cart", json={"add": ["dataset:11017404/marmot"]})
    answer = anna.get("/cart/download")
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-disposition"] == 'attachment; filename="11017404.tar"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        names = tar.getnames()
        listing = tar.extractfile("MANIFEST.json")
        packed = tar.extractfile("11017404/raw/marmot_00001.fio")
        assert listing is not None
        assert packed is not None
        assert [file["path"] for file in json.load(listing)["files"]] == names[3:]
        root = running.settings.beamtimes.roots[0]
        assert packed.read() == (root / "2023/data/11017404/raw/marmot_00001.fio").read_bytes()
    assert names == [
        "MANIFEST.json",
        "records/11017404/marmot_00001.json",
        "records/11017404/marmot_00002.json",
        "11017404/raw/marmot_00001.fio",
        "11017404/raw/marmot_00002.fio",
    ]


def test_of_a_file_that_changes_under_way_the_client_sees_a_failure(running: Running, anna: httpx.Client) -> None:
    path = running.settings.beamtimes.roots[0] / "2023/data/11017404/raw/marmot_00002.fio"
    before = path.read_bytes()
    anna.post("/api/cart", json={"add": ["dataset:11017404/marmot"]})
    path.write_bytes(before + bytes(64 << 20))  # more than the sockets in between hold
    try:
        with anna.stream("GET", "/cart/download") as answer:
            assert answer.status_code == 200
            pieces = answer.iter_raw(1 << 16)
            got = len(next(pieces))
            path.write_bytes(before)
            with pytest.raises(httpx.RemoteProtocolError):
                got += sum(len(piece) for piece in pieces)
            assert got < int(answer.headers["content-length"])
    finally:
        path.write_bytes(before)
    assert anna.get("/api/health").status_code == 200


def test_without_the_beamtimes_folder_the_tar_says_what_it_lacks(running: Running, anna: httpx.Client) -> None:
    anna.post("/api/cart", json={"add": ["scan:11017404/marmot_00001"]})
    root = running.settings.beamtimes.roots[0]
    away = root.with_name("away")
    root.rename(away)
    try:
        packed = anna.get("/cart/download").content
    finally:
        away.rename(root)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["MANIFEST.json", "records/11017404/marmot_00001.json"]
        listing = tar.extractfile("MANIFEST.json")
        assert listing is not None
        assert json.load(listing)["left_out"] == [
            {"path": "11017404/raw/marmot_00001.fio", "why": "the beamtime's folder is not on disk"}
        ]
