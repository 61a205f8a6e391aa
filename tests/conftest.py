"""What tests of several rooms share: a small beamline on disk and its settings."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from catalog_builder import config
from catalog_builder.config import Settings

settings.register_profile("catalogue", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("catalogue")  # busy machines are slow now and then; that is no failure

LONG_AGO = 1_700_000_000

FIO = """!
! Comments
!
%c
{command}
user someone Acquisition started at Thu Feb  5 16:20:16 2026
!
! Parameter
!
%p
sample_name = {sample}
scanmode = {flag}
signalcounter = det_roi1
chi = 1.5
energyfmb = 15000
!
! Data
!
%d
 Col 1 om DOUBLE
 Col 2 det_roi1 DOUBLE
{rows}
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""


def fio(
    *, command: str = "ascan om 0 4 4 1", sample: str = "SrTiO3", flag: str = "measurement", points: int = 5
) -> str:
    """Give a small Sardana file."""
    rows = "\n".join(f" {n}.0 {10 * (n + 1)}.0" for n in range(points))
    return FIO.format(command=command, sample=sample, flag=flag, rows=rows)


class Site:
    """A root of beamtimes and a catalogue in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "data"
        self.settings = self.configured()

    def configured(self, **more: Any) -> Settings:
        """Load a configuration of this site with more settings."""
        path = self.folder / "site_config.yaml"
        document = {
            "beamtimes": {"roots": ["data"]},
            "catalogue": "catalogue",
            "executor": "serial",
            "timezone": "Europe/Berlin",
            **more,
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        self.settings = config.load(path)
        return self.settings

    def beamtime(self, id: str, **metadata: str) -> Path:
        """Make a beamtime's folder with its metadata; gives its raw folder."""
        folder = self.root / "2023" / "data" / id
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        text = json.dumps({"beamtimeId": id, "proposalId": "20230412", "proposalType": "I", **metadata})
        self.write(folder / f"beamtime-metadata-{id}.json", text)
        return folder / "raw"

    def write(self, path: Path, content: str | bytes) -> Path:
        """Write a file that has not changed for long."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path


_LEVEL = logging.getLogger("catalog_builder").level


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Undo what a command that runs within the tests, or for several of them, did to the log's level."""
    logging.getLogger("catalog_builder").setLevel(_LEVEL)
    yield
    logging.getLogger("catalog_builder").setLevel(_LEVEL)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without beamtimes."""
    (tmp_path / "data").mkdir()
    return Site(tmp_path)
