"""``catbuild backup`` and ``catbuild restore``: from one machine to another."""

import os
import shutil
import subprocess
from pathlib import Path

from ..conftest import Site, fio
from ..test_cli import CATBUILD, catbuild, could_not_run


def built(site: Site) -> None:
    """Build a catalogue of a scan on tape, with a remark."""
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    site.write(raw / "gk_00002.fio", fio())
    assert catbuild(site.folder, "build").returncode == 0
    (raw / "gk_00002.fio").unlink()
    assert catbuild(site.folder, "build").returncode == 0
    assert catbuild(site.folder, "remark", "set", "11/gk_00002", "flag", "alignment").returncode == 0


def test_a_catalogue_moves_to_another_folder_with_its_configuration(site: Site, tmp_path: Path) -> None:
    built(site)
    done = catbuild(site.folder, "backup", "kept.tar")
    assert done.stdout == "wrote kept.tar: the database with 1 remark, records and previews of 1 scan\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(site.root, elsewhere / "data")
    done = catbuild(elsewhere, "restore", str(site.folder / "kept.tar"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("of 1 scan; now run: catbuild build\n")
    assert (elsewhere / "site_config.yaml").read_bytes() == (site.folder / "site_config.yaml").read_bytes()
    assert '"scans": 2' in catbuild(elsewhere, "build", "--json").stdout
    assert catbuild(elsewhere, "remark", "log").stdout == catbuild(site.folder, "remark", "log").stdout != ""


def test_a_configuration_that_is_here_stays(site: Site) -> None:
    built(site)
    assert catbuild(site.folder, "backup", "kept.tar").returncode == 0
    site.configured(title="Another title")
    could_not_run(site.folder, ["restore", "kept.tar"], "there is a state already; use --force")
    assert catbuild(site.folder, "restore", "kept.tar", "--force").returncode == 0
    assert "Another title" in (site.folder / "site_config.yaml").read_text()


def test_a_restore_that_cannot_be_leaves_no_configuration(site: Site, tmp_path: Path) -> None:
    built(site)
    assert catbuild(site.folder, "backup", "kept.tar").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "catalogue").write_text("in the way")
    archive = str(site.folder / "kept.tar")
    could_not_run(elsewhere, ["restore", archive], "catalogue")
    assert [path.name for path in elsewhere.iterdir()] == ["catalogue"]
    (site.folder / "kept.tar").write_bytes(b"rubbish")
    could_not_run(elsewhere, ["restore", archive], "kept.tar: this is no whole backup")
    could_not_run(elsewhere, ["restore", "nowhere.tar"], "nowhere.tar: No such file or directory")
    assert [path.name for path in elsewhere.iterdir()] == ["catalogue"]


def test_a_configuration_that_the_environment_names_is_used(site: Site, tmp_path: Path) -> None:
    built(site)
    assert catbuild(site.folder, "backup", "kept.tar").returncode == 0
    shutil.rmtree(site.settings.catalogue)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [*CATBUILD, "restore", str(site.folder / "kept.tar")],
        cwd=elsewhere,
        env={**os.environ, "CATBUILD_CONFIG": str(site.folder / "site_config.yaml")},
        check=False,
    )
    assert done.returncode == 0
    assert site.settings.catalogue.is_dir()
    assert list(elsewhere.iterdir()) == []
