"""A server that runs while the catalogue is built for the first time, built again, and its build/ is deleted."""

import io
import json
import shutil
from pathlib import Path

import pytest

from catalog_builder import config
from catalog_builder.build import build
from catalog_builder.config import Settings
from catalog_builder.report import PlainReporter

from .conftest import Running, serving, write_beamtime


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """A site where nothing was ever built."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "site_config.yaml"
    path.write_text(json.dumps({"beamtimes": {"roots": ["data"]}, "executor": "serial"}), encoding="utf-8")
    return config.load(path)


def built(settings: Settings) -> None:
    with PlainReporter(io.StringIO()) as reporter:
        build(settings, reporter)


def told(server: Running) -> tuple[int, int, str, list[int]]:
    """Give status of a scan's page, hits, whether the home page names the beamtime, and status of other pages."""
    sam = server.client("sam")
    home = sam.get("/").text
    return (
        sam.get("/beamtimes/11017404/scans/marmot_00001/").status_code,
        sam.get("/api/search").json()["total"],
        "named" if "/beamtimes/11017404/" in home else "not named",
        [sam.get(address).status_code for address in ("/search", "/status", "/cart", "/go/11017404", "/cart/download")],
    )


def test_what_a_build_makes_is_there_at_once_without_a_restart(fresh: Settings) -> None:
    with serving(fresh) as server:
        server.new_person("sam", ["staff"])
        assert told(server) == (404, 0, "not named", [200, 200, 200, 404, 303])
        write_beamtime(fresh.beamtimes.roots[0], "11017404", "marmot", "20230412", "2023-10-05T08:00:00+02:00")
        built(fresh)
        assert told(server) == (200, 1, "named", [200, 200, 200, 303, 303])
        shutil.rmtree(server.catalogue.places.build)
        sam = server.client("sam")
        assert sam.get("/").status_code == 200
        assert sam.get("/beamtimes/11017404/").status_code == 404
        built(fresh)
        assert told(server) == (200, 1, "named", [200, 200, 200, 303, 303])


def test_a_cart_outlives_the_build_it_was_filled_from(fresh: Settings) -> None:
    write_beamtime(fresh.beamtimes.roots[0], "11017404", "marmot", "20230412", "2023-10-05T08:00:00+02:00")
    built(fresh)
    with serving(fresh) as server:
        sam = server.new_person("sam", ["staff"])
        sam.post("/api/cart", json={"add": ["dataset:11017404/marmot"]})
        shutil.rmtree(server.catalogue.places.build)
        assert sam.get("/api/cart").json()["keys"] == []
        assert sam.get("/cart/download").status_code == 303
        built(fresh)
        assert sam.get("/api/cart").json()["keys"] == ["dataset:11017404/marmot"]
