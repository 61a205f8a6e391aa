"""The command line: what it prints, its exit statuses, and errors in one line."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from .conftest import Site, fio

CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]


_FORKING = get_context("forkserver")
_FORKING.set_forkserver_preload(["catalog_builder.cli"])
_IN_A_CHILD = """
import os, sys
os.chdir(folder)
os.environ.clear()
os.environ.update(environment)
for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
    os.dup2(os.open(name, flags), number)
sys.argv = ["catbuild", *words]
from catalog_builder.cli import main
main(words, "catbuild")
"""


def catbuild(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, forked from one that has imported the program: starting it takes long."""
    environment = {name: value for name, value in os.environ.items() if name != "CATBUILD_CONFIG"}
    with NamedTemporaryFile() as out, NamedTemporaryFile() as err:
        told = {"folder": folder, "environment": environment, "out": out.name, "err": err.name, "words": words}
        process = _FORKING.Process(target=exec, args=(_IN_A_CHILD, told), daemon=False)
        process.start()
        process.join(120)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, 120)
        said = Path(out.name).read_text(encoding="utf-8"), Path(err.name).read_text(encoding="utf-8")
        return subprocess.CompletedProcess(["catbuild", *words], process.exitcode, *said)


def could_not_run(folder: Path, words: Sequence[str], *says: str) -> None:
    """Assert that a command ends with 2 and says why on standard error, without a traceback."""
    done = catbuild(folder, *words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == len(says)
    for line, said in zip(done.stderr.splitlines(), says, strict=True):
        assert said in line


@pytest.fixture
def built(site: Site) -> Site:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    assert catbuild(site.folder, "build").returncode == 0
    return site


def test_build_prints_one_json_summary_and_nothing_else_on_standard_output(built: Site) -> None:
    done = catbuild(built.folder, "build", "--json")
    summary = json.loads(done.stdout)
    assert list(summary) == [
        "read", "current", "removed", "failed", "scans", "datasets", "pages_written", "seconds", "problems"
    ]  # fmt: skip
    assert (summary["read"], summary["current"], summary["scans"], summary["problems"]) == (0, 1, 1, [])


def test_a_build_with_problems_ends_with_1_and_names_them(built: Site) -> None:
    built.write(built.root / "2023/data/11/raw/broken.nxs", b"no")
    done = catbuild(built.folder, "build", "--json")
    assert done.returncode == 1
    assert "11/raw/broken.nxs" in done.stderr
    assert [problem["where"] for problem in json.loads(done.stdout)["problems"]] == ["11/raw/broken.nxs"]
    checked = catbuild(built.folder, "check")
    assert checked.returncode == 1
    assert "11/raw/broken.nxs" in checked.stdout


def test_what_stops_a_command_is_one_line_with_the_way_out(site: Site) -> None:
    (site.folder / "bad.yaml").write_text("beamtimes: [\n")
    (site.folder / "wrong.yaml").write_text("excutor: serial\nbeamtimes: {roots: [data]}\ngrouping: colour\n")
    (site.folder / "gone.yaml").write_text("beamtimes: {roots: [nowhere]}\n")
    could_not_run(site.folder, ["build", "--config", "missing.yaml"], "missing.yaml")
    could_not_run(site.folder, ["build", "--config", "bad.yaml"], "bad.yaml:")
    could_not_run(site.folder, ["build", "--config", "wrong.yaml"], "wrong.yaml:1: unknown setting", "wrong.yaml:3:")
    could_not_run(site.folder, ["build", "--config", "gone.yaml"], "nowhere: the folder of beamtimes is not there")
    could_not_run(site.folder, ["build", "--executor", "process"], "did you mean 'processes'?")
    could_not_run(site.folder, ["build", "--beamtime", "12"], "there is no beamtime '12'")
    could_not_run(site.folder, ["search", "sample:(a"], "  sample:(a", "         ^", "query, character 8")
    could_not_run(site.folder, ["user", "remove", "nobody"], "nobody")


def test_a_port_in_use_is_one_line(built: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        could_not_run(built.folder, ["serve", "--port", port], f"cannot listen at 127.0.0.1:{port}")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_quietly(built: Site, ending: signal.Signals) -> None:
    command = [*CATBUILD, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=built.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("serving at http://127.0.0.1:")
        run.send_signal(ending)
        said = run.communicate(timeout=30)[1]
    assert (run.returncode, said) == (0, "")


def test_a_build_that_is_stopped_says_so_and_goes_on_the_next_time(site: Site) -> None:
    raw = site.beamtime("11")
    for number in range(60):
        site.write(raw / f"gk_{number:05d}.fio", fio())
    records = site.settings.catalogue / "records"
    with subprocess.Popen([*CATBUILD, "build"], cwd=site.folder, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not records.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(0.005)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert said.splitlines()[-1] == "catbuild: stopped; run it again to go on"
    assert "Traceback" not in said
    assert json.loads(catbuild(site.folder, "build", "--json").stdout)["scans"] == 60


def test_the_configuration_that_init_writes_is_valid_and_is_not_overwritten(tmp_path: Path) -> None:
    assert catbuild(tmp_path, "init").returncode == 0
    could_not_run(tmp_path, ["check"], "/data/beamline: the folder of beamtimes is not there")
    assert "valid" in catbuild(tmp_path, "check").stdout
    could_not_run(tmp_path, ["init"], "there is a configuration already; use --force to replace it")
    assert catbuild(tmp_path, "init", "--force").returncode == 0


def test_the_configuration_is_found_in_the_folder_or_the_environment(built: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    could_not_run(tmp_path / "elsewhere", ["check"], "catbuild init")
    environment = {**os.environ, "CATBUILD_CONFIG": str(built.folder / "site_config.yaml")}
    done = subprocess.run([*CATBUILD, "check"], cwd=tmp_path / "elsewhere", env=environment, check=False)
    assert done.returncode == 0


def test_accounts_are_added_listed_and_removed(built: Site) -> None:
    added = catbuild(built.folder, "user", "add", "kranz", "--group", "11-clbt", "--password", "long enough")
    assert (added.returncode, added.stdout) == (0, "added kranz (11-clbt)\n")
    could_not_run(built.folder, ["user", "add", "kranz", "--password", "long enough"], "already")
    could_not_run(built.folder, ["user", "add", "other", "--password", "short"], "too short")
    assert "11-clbt" in catbuild(built.folder, "user", "list").stdout
    assert catbuild(built.folder, "user", "remove", "kranz").returncode == 0
    assert catbuild(built.folder, "user", "list").stdout == ""


def test_the_demo_says_where_it_is_and_who_may_sign_in_and_runs_twice(tmp_path: Path) -> None:
    for _ in range(2):
        with subprocess.Popen(
            [*CATBUILD, "demo", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            said = ""
            while "on tape" not in said:
                line = run.stdout.readline()
                assert line, said
                said += line
            run.send_signal(signal.SIGTERM)
            assert run.wait(30) == 0
    assert re.search(r"Open http://127\.0\.0\.1:\d+/ and sign in", said)
    assert [line.split()[0] for line in said.splitlines() if " sees " in line] == [
        "staff",
        "nimmermehr",
        "mustermensch",
    ]
    assert (tmp_path / "demo" / "catalogue" / "records").is_dir()


def test_the_demo_leaves_a_folder_with_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.tex").write_text("all I have")
    could_not_run(tmp_path, ["demo"], "the folder is not empty and holds no demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["thesis.tex"]
