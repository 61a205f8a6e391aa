import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from catalog_builder import resources
from catalog_builder.errors import CatalogError
from catalog_builder.resources import shipped

TOP = Path(__file__).parent.parent
UPLOT = {"vendor/uPlot.iife.js", "vendor/uPlot.min.css"}
UNREACHABLE = ("No matching distribution", "Failed to establish", "Connection", "Temporary failure", "Network")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def built_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout as pip does; skips where no package index can be reached."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--retries=0", "-w", str(folder), str(TOP)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    if built.returncode and any(sign in built.stderr for sign in UNREACHABLE):
        pytest.skip(f"pip cannot reach a package index: {built.stderr.splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_ships_the_package_templates_assets_and_configuration_and_nothing_else(tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(built_wheel(tmp_path)) as wheel:
        wheel.extractall(unpacked)
    inside = files_below(unpacked / "catalog_builder" / "shipped")
    assert {f"templates/{name}" for name in files_below(TOP / "templates")} <= inside
    assert {f"assets/{name}" for name in files_below(TOP / "assets") | UPLOT} <= inside
    assert "site_config.yaml" in inside

    (information,) = unpacked.glob("*.dist-info")
    assert (information / "licenses" / "LICENSE").exists()
    assert {path.name for path in unpacked.iterdir()} == {"catalog_builder", information.name}
    assert not [name for name in files_below(unpacked) if "test" in name or name.endswith(".pyc")]

    program = "from catalog_builder.resources import shipped; print(shipped('site_config.yaml'))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=unpacked)
    assert Path(found.stdout.strip()) == unpacked / "catalog_builder" / "shipped" / "site_config.yaml"


@pytest.mark.parametrize("name", ["templates", "assets", "site_config.yaml", *(f"assets/{name}" for name in UPLOT)])
def test_what_ships_is_found_in_this_installation(name: str) -> None:
    assert shipped(name).exists()


def test_a_checkout_is_read_in_place() -> None:
    assert Path(resources.__file__).parent.parent == TOP
    assert shipped("site_config.yaml") == TOP / "site_config.yaml"


def test_what_does_not_ship_is_said() -> None:
    with pytest.raises(CatalogError, match="'nothing' is missing from this installation"):
        shipped("nothing")
