"""``catbuild user`` and ``catbuild audit``: who has an account, and the log of what was done with it.

Knows words and how a deed is signed; does not know how accounts and passwords are kept.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from catalog_builder.accounts import Accounts
from catalog_builder.audit import Audit, Entry
from catalog_builder.auth.local import LOCAL
from catalog_builder.commandline import administering, config_option, database_of, settings_from
from catalog_builder.errors import CatalogError
from catalog_builder.report import one_line


@click.group()
def user() -> None:
    """Add, list, change and remove local accounts."""


@user.command("add")
@config_option
@click.argument("name")
@click.option("--group", "groups", multiple=True, help="A group to be in; may be repeated.")
@click.option("--display-name", default="", help="As others see it; else the name.")
@click.password_option(help="Asked for where it is not given.")
def add_user(config_file: Path | None, name: str, groups: Sequence[str], display_name: str, password: str) -> None:
    """Add an account; fails where the name is taken."""
    with administering(settings_from(config_file)) as (database, note):
        hashed = LOCAL.hash(password)
        account = Accounts(database).add(name, display_name=display_name, groups=groups, password_hash=hashed)
        listed = ", ".join(account.groups) or "no group"
        note("add account", f"{account.name} in {listed}")
    click.echo(f"added {account.name} ({', '.join(account.groups) or 'in no group'})")


@user.command("list")
@config_option
def list_users(config_file: Path | None) -> None:
    """List all accounts with their groups; guests came by an invitation, and nobody checked their names."""
    with database_of(settings_from(config_file)) as database:
        for account in Accounts(database).all():
            shown = f"{account.display_name} (guest)" if account.kind == "guest" else account.display_name
            click.echo(one_line(f"{account.name:20} {shown:24} {', '.join(account.groups)}"))


@user.command("remove")
@config_option
@click.argument("name")
def remove_user(config_file: Path | None, name: str) -> None:
    """Remove an account with its sessions and cart."""
    with administering(settings_from(config_file)) as (database, note):
        accounts = Accounts(database)
        account = accounts.account(name)
        accounts.remove(account.name)
        note("remove account", account.name)
    click.echo(f"removed {account.name}")


@user.command("groups")
@config_option
@click.argument("name")
@click.argument("groups", nargs=-1, metavar="[GROUP]...")
@click.option("--none", "no_groups", is_flag=True, help="Take the account out of all groups.")
def user_groups(config_file: Path | None, name: str, groups: Sequence[str], no_groups: bool) -> None:
    """Put an account into exactly these groups; without any, say which it is in and who says so.

    What other sources say, such as a login elsewhere, stays. It counts from the next click on.
    """
    if no_groups and groups:
        raise CatalogError("give either groups or --none")
    with administering(settings_from(config_file)) as (database, note):
        accounts = Accounts(database)
        account = accounts.account(name)
        if groups or no_groups:
            if account.kind == "guest":
                raise CatalogError("a guest is in no group: nobody checked who they are", remedy="add an account")
            accounts.set_groups(account.name, groups)
            listed = ", ".join(groups) or "no group"
            note("set groups", f"{account.name} in {listed}")
        for group, source in accounts.groups_by_source(account.name):
            click.echo(f"{one_line(group)}\t{one_line(source)}")


@user.command("password")
@config_option
@click.argument("name")
@click.password_option(help="Asked for where it is not given.")
def user_password(config_file: Path | None, name: str, password: str) -> None:
    """Give an account a new password; whoever is signed in with it is out."""
    with administering(settings_from(config_file)) as (database, note):
        accounts = Accounts(database)
        account = accounts.account(name)
        if account.kind != "local":
            raise CatalogError(f"{account.name} does not sign in by a password here")
        accounts.set_password_hash(account.name, LOCAL.hash(password))
        note("new password", account.name)
    click.echo(f"{account.name} has a new password and is signed out everywhere")


@user.command("sign-out")
@config_option
@click.argument("name")
def sign_out_user(config_file: Path | None, name: str) -> None:
    """End all sessions of an account; its cart stays."""
    with administering(settings_from(config_file)) as (database, note):
        accounts = Accounts(database)
        account = accounts.account(name)
        ended = accounts.sign_out_everywhere(account.name)
        note("sign out everywhere", account.name)
    click.echo(f"{account.name} was signed in on {ended} browser{'' if ended == 1 else 's'} and is out")


@click.command()
@config_option
@click.option("--most", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Lines to show.")
def audit(config_file: Path | None, most: int) -> None:
    """Show the newest lines of the audit log, oldest first: when, who, what, to whom or what, from where."""
    with database_of(settings_from(config_file)) as database:
        for entry in reversed(Audit(database).last(most)):
            click.echo("\t".join(map(one_line, _told(entry))))


def _told(entry: Entry) -> tuple[str, ...]:
    who = entry.who if entry.via == "account" else f"{entry.who} ({entry.via})"
    return entry.at.isoformat(sep=" ", timespec="seconds"), who, entry.action, entry.what, entry.address
