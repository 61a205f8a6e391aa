"""The demo as a whole: a folder with a beamline, its configuration, its catalogue and its accounts.

Knows in which order the demo comes about, and how to go on where it was cut off; does not know how it is served.
"""

from dataclasses import dataclass
from pathlib import Path

from catalog_builder import config
from catalog_builder.accounts import Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.build import build
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.demo.beamline import Beamline, send_to_tape, settings_yaml, write_beamline
from catalog_builder.errors import CatalogError
from catalog_builder.files import write_if_changed
from catalog_builder.places import Places
from catalog_builder.report import BuildSummary, Reporter

_MARK = ".catbuild-demo"
"""Tells a folder of ours from anybody else's."""

_TAPED = ".catbuild-demo-taped"
"""Tells that the oldest beamtime has gone to tape: its raw data are not written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A demo that is ready to be served."""

    settings: Settings
    beamline: Beamline
    summary: BuildSummary


def make(folder: Path, reporter: Reporter) -> Demo:
    """Write the demo beamline, build its catalogue, send a beamtime to tape, and add the accounts.

    Run again, it only does what is missing. Raises CatalogError where the folder holds something else.
    """
    _claim(folder)
    reporter.say(f"writing the demo beamline to {folder}")
    taped = folder / _TAPED
    beamline = write_beamline(folder.absolute() / "beamline")
    if taped.exists():
        send_to_tape(beamline)
    configuration = folder / "site_config.yaml"
    write_if_changed(configuration, settings_yaml(beamline, Path("catalogue")).encode())
    settings = config.load(configuration)
    summary = build(settings, reporter)
    if not taped.exists():
        reporter.say(f"sending the raw data of beamtime {beamline.for_tape} to tape")
        send_to_tape(beamline)
        taped.touch()
        summary = build(settings, reporter)
    _add_accounts(settings, beamline)
    return Demo(settings=settings, beamline=beamline, summary=summary)


def _claim(folder: Path) -> None:
    """Make the folder ours; one with anything else in it is left alone."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise CatalogError(
            "the folder is not empty and holds no demo", where=folder, remedy="name another: catbuild demo FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _add_accounts(settings: Settings, beamline: Beamline) -> None:
    with Database(Places(settings.catalogue).database) as database:
        accounts = Accounts(database)
        for account in beamline.accounts:
            if accounts.find(account.name) is None:
                accounts.add(account.name, groups=account.groups, password_hash=LOCAL.hash(account.password))
