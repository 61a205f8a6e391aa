"""``catbuild invite``: links that let people without an account see a beamtime.

Knows words and the site's address; does not know how invitations are kept.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from catalog_builder.accounts import Accounts
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
from catalog_builder.invitations import Invitation, Invitations
from catalog_builder.report import one_line


@click.group()
def invite() -> None:
    """Make, list and revoke links that let people without an account see a beamtime."""


@invite.command("create")
@config_option
@click.argument("beamtime")
@click.option("--gives", default="read", show_default=True, help="What it lets people do: read, download or curate.")
@click.option("--label", default="", help="Whom it is for.")
@click.option("--days", type=float, default=30, show_default=True, metavar="N", help="How long it holds.")
@click.option("--devices", type=int, default=5, show_default=True, metavar="N", help="Browsers that may use it.")
@click.option("--base", metavar="URL", help="The site's address; else the setting server.public_address.")
def create_invitation(
    config_file: Path | None, beamtime: str, gives: str, label: str, days: float, devices: int, base: str | None
) -> None:
    """Make a link to BEAMTIME and print it: it is shown this once, for it is kept as a hash alone."""
    settings = settings_from(config_file)
    site = _site(settings, base)
    known_beamtime(settings, beamtime)
    with administering(settings) as (database, note):
        made, token = _invitations(database).create(
            beamtime, by=login_name(), label=label, gives=gives, days=days, devices=devices
        )
        what = f"{_named(made)}, for {made.label!r}, gives {made.gives}"
        note("invite", what)
    click.echo(f"{site}/invited#{token}")
    times = "device" if made.devices == 1 else "devices"
    click.echo(f"{_named(made)}, until {made.expires:%Y-%m-%d %H:%M} UTC, on {made.devices} {times}", err=True)


@invite.command("list")
@config_option
@click.option("--beamtime", metavar="ID", help="Only those to this beamtime.")
def list_invitations(config_file: Path | None, beamtime: str | None) -> None:
    """List invitations, newest first, and under each who used it; names of guests are as they gave them, unverified."""
    now = datetime.now(UTC)
    with database_of(settings_from(config_file)) as database:
        invitations = _invitations(database)
        for one in invitations.all() if beamtime is None else invitations.of_beamtime(beamtime):
            words = (
                str(one.id),
                one.beamtime,
                one.gives,
                one.state(now),
                f"{one.used} of {one.devices}",
                f"until {one.expires:%Y-%m-%d %H:%M}",
                f"by {one.by}",
                one.label,
            )
            click.echo("\t".join(map(one_line, words)))
            for account, stated, at in invitations.guests(one.id):
                who = f"{stated or 'no name'} (unverified)" if account.kind == "guest" else account.display_name
                click.echo(f"\t{one_line(who)}\t{account.name}\t{at:%Y-%m-%d %H:%M}")


@invite.command("revoke")
@config_option
@click.argument("id", type=click.IntRange(min=1))
def revoke_invitation(config_file: Path | None, id: int) -> None:
    """End invitation ID: whoever is in by it alone is out at their next click."""
    with administering(settings_from(config_file)) as (database, note):
        ended = _invitations(database).revoke(id)
        note("revoke", _named(ended))
    click.echo(f"revoked {_named(ended)}")


def _invitations(database: Database) -> Invitations:
    return Invitations(database, Accounts(database))


def _site(settings: Settings, base: str | None) -> str:
    """Give the site's address; raises CatalogError where nobody said it and it cannot be guessed."""
    site = base or settings.server.public_address
    if site is None and not settings.auth.secure_cookies:
        return f"http://{settings.server.host}:{settings.server.port}"
    if site is None:
        raise CatalogError("the site's address is not known", remedy="set server.public_address, or give --base")
    if not site.startswith(("https://", "http://")) or "#" in site or not site.isprintable():
        raise CatalogError(f"{site!r} is not a site's address", remedy="write it as https://catalogue.example.org")
    return site.rstrip("/")


def _named(invitation: Invitation) -> str:
    return f"invitation {invitation.id} to beamtime {invitation.beamtime}"
