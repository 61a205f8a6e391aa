"""Groups of subcommands of ``catbuild``, and what all subcommands share.

Knows how a command finds its settings; does not know which commands there are.
"""

import getpass
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from catalog_builder import config
from catalog_builder.audit import Audit
from catalog_builder.auth import METHODS
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.executors import EXECUTORS
from catalog_builder.names import is_segment
from catalog_builder.places import Places
from catalog_builder.readers import READERS
from catalog_builder.records import Beamtime
from catalog_builder.recordstore import RecordStore
from catalog_builder.registry import Registry

PARTS: Mapping[str, Registry[Any]] = {"executor": EXECUTORS, "readers": READERS, "auth.methods": METHODS}
"""Registries whose names the settings use."""

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration; else ./site_config.yaml, else $CATBUILD_CONFIG.",
)


def settings_from(config_file: Path | None) -> Settings:
    """Find and load the configuration, its names of parts checked against what is installed."""
    return config.load(config.find(config_file), PARTS)


def database_of(settings: Settings) -> Database:
    """Open the database of a site."""
    return Database(Places(settings.catalogue).database)


def known_beamtime(settings: Settings, id: str) -> Beamtime:
    """Give a beamtime of the catalogue; raises CatalogError where it is not in it."""
    store = RecordStore(Places(settings.catalogue))
    known = store.beamtime_ids()
    if not is_segment(id) or id not in known:
        remedy = did_you_mean(id[:60], known) if known else "run: catbuild build"
        raise CatalogError(f"there is no beamtime {id[:60]!r} in the catalogue", remedy=remedy)
    return store.beamtime(id)


@contextmanager
def administering(settings: Settings) -> Iterator[tuple[Database, Callable[[str, str], None]]]:
    """Open the database of a site for deeds that are noted in its audit log: ``note("revoke", "invitation 3")``.

    They are signed with the login name, which is known before anything is done.
    """
    who = login_name()
    with database_of(settings) as database:
        yield database, lambda action, what: Audit(database).note(action, who=who, via="login", what=what)


def login_name() -> str:
    """Give the name somebody is signed in with at this machine; raises CatalogError where it is not known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as exc:
        raise CatalogError("your login name is not known", remedy="set the variable LOGNAME to it") from exc
