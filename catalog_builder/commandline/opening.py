"""``catbuild access``: who may do what with a beamtime and why, and whether it is open to everybody.

Knows words; the rule itself stands in ``access``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from catalog_builder import access as rule
from catalog_builder.access import Caller, Openings, Role
from catalog_builder.accounts import Account, Accounts
from catalog_builder.commandline import (
    administering,
    config_option,
    database_of,
    known_beamtime,
    login_name,
    settings_from,
)
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.invitations import Invitations
from catalog_builder.openings import OpeningDays, first_moment
from catalog_builder.records import Beamtime
from catalog_builder.report import one_line


@click.group()
def access() -> None:
    """Say who may see a beamtime and why; open it to everybody, or close it."""


@access.command("explain")
@config_option
@click.argument("user")
@click.argument("key")
def explain_access(config_file: Path | None, user: str, key: str) -> None:
    """Say why USER may or may not read, download, curate and administer KEY: a beamtime, scan or dataset."""
    settings = settings_from(config_file)
    beamtime = known_beamtime(settings, key.rpartition(":")[2].partition("/")[0])
    with database_of(settings) as database:
        account = Accounts(database).account(user)
        for line in _explained(settings, database, account, beamtime):
            click.echo(one_line(line))


def _explained(settings: Settings, database: Database, account: Account, beamtime: Beamtime) -> Iterator[str]:
    invitations = Invitations(database, Accounts(database))
    openings = OpeningDays(database).all()
    caller = Caller(name=account.name, groups=frozenset(account.groups), invited=invitations.grants(account.name))
    now = datetime.now(UTC)
    reasons = rule.reasons(
        caller, beamtime, settings.groups, Openings(days={one.beamtime: one.day for one in openings}, now=now)
    )
    for role in Role:
        because = [reason.because for reason in reasons if role in reason.roles]
        yield f"{account.name} may {role}: {'; '.join(because)}" if because else f"{account.name} may not {role}"
    yield f"{account.name} is in these groups:" if account.groups else f"{account.name} is in no group"
    for group, source in Accounts(database).groups_by_source(account.name):
        yield f"  {group}, as said by {source}"
    for one in invitations.held_by(account.name):
        if one.beamtime == beamtime.id:
            yield f"{account.name} has invitation {one.id}, which gives {one.gives} until {one.expires:%Y-%m-%d}"
    yield f"beamtime {beamtime.id} lets in these groups:"
    for standing in rule.standings(beamtime, settings.groups):
        yield f"  {', '.join(sorted(standing.groups))}, which {standing.what}"
    yield next(
        (f"it {_standing(one.day, now)}" for one in openings if one.beamtime == beamtime.id), "it is closed to others"
    )


@access.command("open")
@config_option
@click.argument("beamtime")
@click.option(
    "--on", "day", metavar="DATE", help="From this day on, such as 2027-03-31; until then it is under embargo."
)
def open_beamtime(config_file: Path | None, beamtime: str, day: str | None) -> None:
    """Open BEAMTIME to everybody, at once or from a day on."""
    settings = settings_from(config_file)
    known_beamtime(settings, beamtime)
    moment = None if day is None else first_moment(day, settings.timezone)
    with administering(settings) as (database, note):
        opening = OpeningDays(database).open(beamtime, login_name(), moment)
        what = f"beamtime {beamtime} from {opening.day:%Y-%m-%d %H:%M} UTC on"
        note("open", what)
    click.echo(f"beamtime {beamtime} {_standing(opening.day, datetime.now(UTC))}")


@access.command("close")
@config_option
@click.argument("beamtime")
def close_beamtime(config_file: Path | None, beamtime: str) -> None:
    """Close BEAMTIME to all whom no group and no invitation lets in."""
    with administering(settings_from(config_file)) as (database, note):
        if not OpeningDays(database).close(beamtime):
            raise CatalogError(f"beamtime {beamtime[:60]} is not open", remedy="see: catbuild access list")
        note("close", f"beamtime {beamtime}")
    click.echo(f"beamtime {beamtime} is closed")


@access.command("list")
@config_option
def list_openings(config_file: Path | None) -> None:
    """List the beamtimes that are open to everybody, or will be."""
    now = datetime.now(UTC)
    with database_of(settings_from(config_file)) as database:
        for one in OpeningDays(database).all():
            click.echo("\t".join(map(one_line, (one.beamtime, _standing(one.day, now), f"by {one.by}"))))


def _standing(day: datetime, now: datetime) -> str:
    if day <= now:
        return f"is open to everybody since {day:%Y-%m-%d %H:%M} UTC"
    return f"is under embargo, and opens to everybody on {day:%Y-%m-%d %H:%M} UTC"
