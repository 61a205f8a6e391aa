"""The command ``catbuild``: every subcommand turns words into calls and results into words.

Knows the command line, exit statuses and who is told what; does not know how anything is done.
"""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from catalog_builder.build import build as build_catalogue
from catalog_builder.check import must_be_built, rule_hits, told
from catalog_builder.commandline import config_option, settings_from
from catalog_builder.commandline.inviting import invite
from catalog_builder.commandline.journal import remark
from catalog_builder.commandline.keeping import backup, restore
from catalog_builder.commandline.opening import access
from catalog_builder.commandline.people import audit, user
from catalog_builder.commandline.searching import search
from catalog_builder.config import Settings
from catalog_builder.demo import house
from catalog_builder.errors import CatalogError
from catalog_builder.explain import explained
from catalog_builder.files import write_if_changed
from catalog_builder.places import Places
from catalog_builder.previews.contact import contact_sheet as draw_contact_sheet
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import one_line, reporter
from catalog_builder.resources import shipped
from catalog_builder.server import is_free
from catalog_builder.server import serve as serve_catalogue
from catalog_builder.watch import watch as watch_beamtimes
from catalog_builder.watch.systemd import log_lines

WITH_PROBLEMS = 1
COULD_NOT_RUN = 2
STOPPED = 130

_logger = logging.getLogger("catalog_builder")

_port_option = click.option("--port", type=click.IntRange(0, 65535), help="Overrides server.port; 0 means any.")


class _Commands(click.Group):
    """A group whose errors are one line on standard error and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # who reads has enough, as head: click ends quietly
            raise
        except (CatalogError, OSError, MemoryError) as exc:
            _logger.debug("could not run", exc_info=exc)
            said = str(exc) if isinstance(exc, CatalogError) else _said(exc)
        except KeyboardInterrupt:
            click.echo("catbuild: stopped; run it again to go on", err=True)
            ctx.exit(STOPPED)
        for line in said.splitlines():
            click.echo(f"catbuild: {one_line(line)}", err=True)
        ctx.exit(COULD_NOT_RUN)


def _said(exc: OSError | MemoryError) -> str:
    """Say a failure of the machine in one line: the file and what the system said of it."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc) or "there is not enough memory"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="catalog-builder")
@click.option("--verbose", is_flag=True, help="Log what is done, with tracebacks of what fails.")
def main(verbose: bool) -> None:
    """A catalogue of a beamline's beamtimes, datasets and scans: build it, serve it, search it."""
    logging.basicConfig(level=logging.CRITICAL, format="%(name)s: %(message)s")
    _logger.setLevel(logging.DEBUG if verbose else logging.CRITICAL)


@main.command()
@config_option
@click.option("--beamtime", "beamtimes", multiple=True, metavar="ID", help="Only this beamtime; may be repeated.")
@click.option("--executor", metavar="NAME", help="Overrides the setting 'executor': processes, dask or serial.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on standard output.")
@click.option("--gone", is_flag=True, help="Believe that the raw data of most beamtimes went to tape at once.")
@click.option("--explain", metavar="KEY", help="Build nothing; say why a scan or dataset is or is not current.")
def build(
    config_file: Path | None,
    beamtimes: Sequence[str],
    executor: str | None,
    as_json: bool,
    gone: bool,
    explain: str | None,
) -> None:
    """Bring the catalogue up to date. Exit status 1 means: built, with problems, and they are named."""
    settings = settings_from(config_file)
    if explain is not None:
        for line in explained(settings, explain, datetime.now(UTC)):
            click.echo(one_line(line))
        return
    if executor:
        settings = settings.model_copy(update={"executor": executor})
    with reporter() as progress:
        summary = build_catalogue(settings, progress, chosen=beamtimes, believe_gone=gone)
        progress.summary(summary)
    if as_json:
        click.echo(json.dumps(summary.as_json()))
    sys.exit(summary.exit_status)


@main.command()
@config_option
@click.option("--beamtime", "beamtimes", multiple=True, metavar="ID", help="This beamtime, not the current ones.")
@click.option("--poll", is_flag=True, help="Look for changes instead of being told by the kernel.")
def watch(config_file: Path | None, beamtimes: Sequence[str], poll: bool) -> None:
    """Keep the current beamtimes up to date while they are measured, until stopped. Logs to standard error."""
    settings = settings_from(config_file)
    if poll:
        method = settings.watch.model_copy(update={"method": "poll"})
        settings = settings.model_copy(update={"watch": method})
    logging.basicConfig(handlers=[log_lines()], level=logging.CRITICAL, force=True)
    logging.getLogger("catalog_builder.watch").setLevel(min(logging.INFO, _logger.level))
    watch_beamtimes(settings, chosen=beamtimes)


@main.command()
@config_option
@click.option("--host", help="Overrides server.host.")
@_port_option
@click.option("--socket", type=click.Path(path_type=Path), help="A Unix socket to listen at; overrides server.socket.")
def serve(config_file: Path | None, host: str | None, port: int | None, socket: Path | None) -> None:
    """Serve the catalogue behind sign-in, until stopped. Sign-ins and failures are logged to standard error."""
    _logger.setLevel(min(logging.INFO, _logger.level))
    if socket is not None and (host is not None or port is not None):
        raise CatalogError("--socket stands in place of --host and --port", remedy="give one or the other")
    settings = settings_from(config_file)
    if socket is not None:
        server = settings.server.model_copy(update={"socket": socket.absolute()})
        settings = settings.model_copy(update={"server": server})
    serve_catalogue(settings, host, port, ready=lambda address: click.echo(f"serving at {address}"))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@_port_option
@click.option("--no-serve", is_flag=True, help="Write and build, but do not serve.")
def demo(folder: Path, port: int | None, no_serve: bool) -> None:
    """Write a small beamline, build its catalogue and serve it. FOLDER is ./demo unless named."""
    with reporter() as progress:
        made = house.make(folder, progress)
    click.echo(f"{len(made.beamline.beamtimes)} beamtimes with {made.summary.scans} scans are built.")
    for where in dict.fromkeys(problem.where for problem in made.summary.problems):
        click.echo(f"damaged on purpose: {where}")
    if no_serve:
        _say_accounts(made, None)
        return
    if port is None and not is_free(made.settings.server.host, made.settings.server.port):
        port = 0
    _logger.setLevel(min(logging.WARNING, _logger.level))
    serve_catalogue(made.settings, port=port, ready=lambda address: _say_accounts(made, address))


def _say_accounts(made: house.Demo, address: str | None) -> None:
    click.echo(f"\nOpen {address} and sign in as one of these; Ctrl-C ends it.\n" if address else "\nThe accounts:\n")
    beamline = made.beamline
    sees = ["everything", f"beamtime {beamline.beamtimes[-1]}", f"beamtime {beamline.for_tape}, whose data are on tape"]
    for account, what in zip(beamline.accounts, sees, strict=True):
        click.echo(f"  {account.name:14} {account.password:26} sees {what}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--force", is_flag=True, help="Replace a site_config.yaml that is there.")
def init(folder: Path, force: bool) -> None:
    """Write a commented site_config.yaml to start from."""
    target = folder / "site_config.yaml"
    if target.exists() and not force:
        raise CatalogError("there is a configuration already", where=target, remedy="use --force to replace it")
    write_if_changed(target, shipped("site_config.yaml").read_bytes())
    click.echo(f"wrote {target}; set beamtimes.roots in it, then run: catbuild build")


@main.command()
@config_option
@click.option("--rules", "show_rules", is_flag=True, help="Show which scans of the catalogue each rule hits.")
@click.option(
    "--contact-sheet",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Draw all previews of the catalogue on pages in FOLDER, to be looked through.",
)
def check(config_file: Path | None, show_rules: bool, contact_sheet: Path | None) -> None:
    """Validate the configuration, and list the sources that had problems at the last build."""
    settings = settings_from(config_file)
    click.echo(f"{settings.source}: the configuration is valid")
    if show_rules:
        _tell_rules(settings)
    if contact_sheet is not None:
        places = Places(settings.catalogue)
        pages = draw_contact_sheet(places, RecordStore(places).scans(), contact_sheet)
        click.echo(f"{len(pages)} pages in {contact_sheet}")
    if show_rules or contact_sheet is not None:
        return
    for root in settings.beamtimes.roots:
        if not root.is_dir():
            raise CatalogError("the folder of beamtimes is not there", where=root, remedy="mount it, or correct it")
    problems = _last_problems(Places(settings.catalogue).status)
    if problems is None:
        click.echo("nothing is built yet; run: catbuild build")
        return
    for problem in problems:
        click.echo(one_line(f"{problem['where']}: {problem['what']}"))
    click.echo(f"{len(problems)} problems at the last build" if problems else "no problems at the last build")
    sys.exit(WITH_PROBLEMS if problems else 0)


def _tell_rules(settings: Settings) -> None:
    """Show what the rules hit among the scans the catalogue holds; nothing is built or changed."""
    store = RecordStore(Places(settings.catalogue))
    must_be_built(store)
    for line in told(*rule_hits(store, settings)):
        click.echo(one_line(line) if not line.startswith(" ") else f"    {one_line(line)}")


def _last_problems(status: Path) -> list[dict[str, str]] | None:
    """Give the problems of the last build; None where there was none, or its report is damaged."""
    try:
        problems: list[dict[str, str]] = json.loads(status.read_bytes())["problems"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return problems


for command in (search, remark, backup, restore, user, invite, access, audit):
    main.add_command(command)
