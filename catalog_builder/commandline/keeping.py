"""``catbuild backup`` and ``catbuild restore``: what cannot be made again, taken along and put back.

Knows words and where a configuration goes; does not know what an archive looks like.
"""

import os
from pathlib import Path

import click

from catalog_builder import backup as archives
from catalog_builder import config
from catalog_builder.commandline import config_option, settings_from
from catalog_builder.files import write_if_changed


@click.command()
@config_option
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--all-records", is_flag=True, help="Take the records and previews of scans on disk along too.")
@click.option("--force", is_flag=True, help="Replace DESTINATION where it is a file.")
def backup(config_file: Path | None, destination: Path, all_records: bool, force: bool) -> None:
    """Write what cannot be made again to the tar file DESTINATION, or to a new one in the folder DESTINATION.

    That is the database, the configuration, and the records and previews of scans that were no longer on disk at
    the last build. A running server, build or watch is not disturbed.
    """
    settings = settings_from(config_file)
    made = archives.back_up(settings, destination, all_records=all_records, replace=force)
    click.echo(f"wrote {made.path}: {made.told}")


@click.command()
@config_option
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a state that is there; it is kept beside the restored one.")
def restore(config_file: Path | None, source: Path, force: bool) -> None:
    """Put back what the backup SOURCE holds; then run: catbuild build.

    Without a configuration here, the backup's is written to ./site_config.yaml; one that is here stays as it is.
    """
    archive = archives.verified(source)
    own = config_file or Path(config.FILE_NAME)
    is_new = not own.exists() and (config_file is not None or config.VARIABLE not in os.environ)
    if is_new:
        write_if_changed(own, archive.configuration())
    try:
        archive.restore(settings_from(own if is_new else config_file), replace=force)
    except BaseException:
        if is_new:
            own.unlink()
        raise
    click.echo(f"restored {archive.told}; now run: catbuild build")
