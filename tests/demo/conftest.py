"""The demo's files, written once for all tests that only read them."""

from pathlib import Path

import pytest

from catalog_builder.demo import Beamline, write_beamline


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Beamline:
    """The four beamtimes; not to be changed."""
    return write_beamline(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def oxides(demo: Beamline) -> Path:
    """Raw folder of the six-circle beamtime with .fio, .cbf and .tif files."""
    return demo.folder("11018801") / "raw"


@pytest.fixture(scope="session")
def spec_night(demo: Beamline) -> Path:
    return demo.folder("11019947") / "raw"


@pytest.fixture(scope="session")
def particles(demo: Beamline) -> Path:
    """Raw folder of the NeXus and Lambda beamtime."""
    return demo.folder("11022316") / "raw"


@pytest.fixture(scope="session")
def monolayers(demo: Beamline) -> Path:
    """Raw folder of the Langmuir trough beamtime."""
    return demo.folder("11026540") / "raw"
