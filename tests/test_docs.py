"""README and help say everything there is: a command, setting, facet or part without words fails here."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from catalog_builder.build import build
from catalog_builder.cli import main
from catalog_builder.commandline import PARTS
from catalog_builder.config import described
from catalog_builder.executors import EXECUTORS
from catalog_builder.readers import READERS
from catalog_builder.report import PlainReporter
from catalog_builder.resources import shipped

from .conftest import Site, fio

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
CONFIGURATION = shipped("site_config.yaml").read_text(encoding="utf-8")


def commands(group: click.Group, before: str = "catbuild") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{before} {name}") if isinstance(command, click.Group) else [f"{before} {name}"]
    return found


@pytest.mark.parametrize("command", commands(main))
def test_the_readme_names_every_command(command: str) -> None:
    *words, last = command.split()
    assert re.search(rf"`{' '.join(words)} [^`]*\b{last}\b", README), command


@pytest.mark.parametrize("name", sorted({*EXECUTORS, *READERS, *PARTS["auth.methods"]}))
def test_the_readme_names_every_part(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("setting", sorted(described()))
def test_the_shipped_configuration_explains_every_setting(setting: str) -> None:
    assert re.search(rf"\b{re.escape(setting.rpartition('.')[2])}\b", CONFIGURATION)


def test_the_quick_start_is_two_commands() -> None:
    start = README.split("## Quick start")[1].split("\n## ")[0]
    lines = [line.strip() for line in start.splitlines() if line.startswith("    ")]
    assert len(lines) == 2
    assert lines[0].endswith("catbuild demo")
    assert "pytest" in lines[1]


def test_the_search_in_python_works_as_the_readme_shows_it(site: Site) -> None:
    site.write(site.beamtime("11") / "gk_00001.fio", fio())
    build(site.settings, PlainReporter())
    shown = README.split("and in Python")[1].split("\n## ")[0].partition("\n\n")[2]
    program = textwrap.dedent(shown)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=site.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("1 ['scan:11/gk_00001']\n", "")
