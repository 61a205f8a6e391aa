"""The files that run a catalogue on a host: understood by what reads them, and true to this program."""

import re
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from catalog_builder.cli import main

DEPLOY = Path(__file__).parent.parent / "deploy"
PROGRAM = "/opt/catalog-builder/bin/catbuild"
SERVICES = sorted(path.name for path in DEPLOY.glob("*.service"))
TIMERS = sorted(path.name for path in DEPLOY.glob("*.timer"))
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def unit(name: str) -> RawConfigParser:
    read = RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    return read


def test_there_are_three_services_and_a_timer() -> None:
    assert SERVICES == ["catbuild-build.service", "catbuild-serve.service", "catbuild-watch.service"]
    assert TIMERS == ["catbuild-build.timer"]


@pytest.mark.parametrize("name", [*SERVICES, *TIMERS])
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: Debian package systemd")
    program = tmp_path / "catbuild"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path in DEPLOY.glob("catbuild-*"):  # all of them: a timer names its service
        (tmp_path / path.name).write_text(path.read_text().replace(PROGRAM, str(program)))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_a_line_that_systemd_does_not_understand_is_found(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: Debian package systemd")
    (tmp_path / "wrong.service").write_text("[Service]\nExecStart=/bin/true\nProtectSistem=strict\n")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "wrong.service")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "ProtectSistem" in told.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_to_the_catalogue_alone_and_gains_no_rights(name: str) -> None:
    service = unit(name)["Service"]
    for key, value in {
        "User": "catbuild",
        "WorkingDirectory": "/srv/catalogue",
        "ProtectSystem": "strict",
        "ReadWritePaths": "/srv/catalogue",
        "PrivateTmp": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert service[key] == value, key


@pytest.mark.parametrize("name", ["catbuild-build.service", "catbuild-serve.service"])
def test_a_service_calls_a_command_there_is(name: str) -> None:
    program, *words = shlex.split(unit(name)["Service"]["ExecStart"])
    assert program == PROGRAM
    assert words == [name.removeprefix("catbuild-").removesuffix(".service")]
    assert words[0] in main.commands


def test_a_build_with_problems_counts_as_success_and_one_that_could_not_run_does_not() -> None:
    service = unit("catbuild-build.service")["Service"]
    assert service["Type"] == "oneshot"
    assert service["SuccessExitStatus"].split() == ["1", "130"]


def test_the_watch_says_that_it_is_ready_and_alive_and_is_started_again() -> None:
    service = unit("catbuild-watch.service")["Service"]
    assert service["Type"] == "notify"
    assert service["WatchdogSec"]
    assert service["Restart"] == "on-failure"


def cron_lines() -> list[list[str]]:
    """Give the entries of the crontab: five fields and a command. Source: crontab(5)."""
    lines = [line for line in (DEPLOY / "catbuild.cron").read_text().splitlines() if line and not line.startswith("#")]
    return [line.split(maxsplit=5) for line in lines if not re.match(r"[A-Z]+=", line)]


def test_cron_understands_the_line() -> None:
    ((*fields, command),) = cron_lines()
    for field, (least, most) in zip(fields, RANGES, strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            assert match, part
            assert all(least <= int(number) <= most for number in match.groups()[:2] if number)
    assert "%" not in command  # cron takes it for the end of a line
    assert (DEPLOY / "catbuild.cron").read_text().endswith("\n")  # without it cron ignores the last line


@pytest.mark.parametrize(("status", "mailed"), [(0, ""), (1, ""), (2, "said\n"), (137, "said\n")])
def test_cron_mails_only_of_a_build_that_could_not_run(status: int, mailed: str, tmp_path: Path) -> None:
    ((*_, command),) = cron_lines()
    program = tmp_path / "catbuild"
    program.write_text(f"#!/bin/sh\necho said >&2\nexit {status}\n")
    program.chmod(0o755)
    here = command.replace("/srv/catalogue", str(tmp_path)).replace(PROGRAM, str(program))
    done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (mailed, "", 0)
    assert (tmp_path / "build.log").read_text() == "said\n"


def test_every_file_is_told_of_in_the_readme() -> None:
    told = (DEPLOY / "README.md").read_text()
    assert [path.name for path in DEPLOY.iterdir() if f"`{path.name}`" not in told] == ["README.md"]
