"""Groups of subcommands of ``catbuild``, and what all subcommands share.

Knows how a command finds its settings; does not know which commands there are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from catalog_builder import config
from catalog_builder.auth import METHODS
from catalog_builder.config import Settings
from catalog_builder.executors import EXECUTORS
from catalog_builder.readers import READERS
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
