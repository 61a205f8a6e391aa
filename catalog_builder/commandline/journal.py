"""``catbuild remark``: what people correct, and the log of it, on the command line.

Knows words and how a remark is signed; does not know what a field can hold.
"""

import getpass
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from catalog_builder.buildstate import BuildState
from catalog_builder.commandline import config_option, settings_from
from catalog_builder.config import Settings
from catalog_builder.curation import Curator, change_of
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.publish import apply_waiting
from catalog_builder.records import Json, Remark, Via
from catalog_builder.remarks import Remarks, field_named, public_remark
from catalog_builder.report import one_line

_who_option = click.option("--who", help="Whose remark it is; else your login name.")
_reason_option = click.option("--reason", help="Why, for those who read the log.")


@click.group()
def remark() -> None:
    """Correct flags, keywords, titles and groups; each change is kept with who, when and why."""


@contextmanager
def _curator(settings: Settings) -> Iterator[Curator]:
    places = Places(settings.catalogue)
    with Database(places.database) as database, BuildState(places.buildstate, read_only=True) as state:
        yield Curator(settings, Remarks(database), state)


@remark.command("set")
@config_option
@click.argument("key")
@click.argument("field")
@click.argument("value", nargs=-1)
@click.option("--clear", is_flag=True, help="Give the field back to files and rules, in place of VALUE.")
@_reason_option
@_who_option
def set_remark(
    config_file: Path | None,
    key: str,
    field: str,
    value: Sequence[str],
    clear: bool,
    reason: str | None,
    who: str | None,
) -> None:
    """Set a FIELD (flag, keywords, title or group) of the scan or dataset KEY.

    KEY may be written 11017404/gk_sto20_00173. Keywords are added, or taken away: -- XRR -GID (the -- says that no
    options follow). A group is a dataset's key or name, or any other text, which makes a dataset.
    """
    settings = settings_from(config_file)
    if clear == bool(value):
        raise CatalogError("give either a value or --clear")
    text: Json = change_of(value) if field_named(field).words else " ".join(value)
    name, via = _author(who)
    with _curator(settings) as curator:
        drafts = curator.drafts(curator.key(key), field, None if clear else text)
        made = curator.remarks.append(drafts, who=name, via=via, reason=reason)
    _say_made(settings, made)


@remark.command("undo")
@config_option
@click.argument("id", type=click.IntRange(min=1))
@click.option("--alone", is_flag=True, help="Undo this remark and not the others of the same action.")
@_reason_option
@_who_option
def undo_remark(config_file: Path | None, id: int, alone: bool, reason: str | None, who: str | None) -> None:
    """Undo the action that remark ID belongs to, by new remarks; undoing those brings it back."""
    settings = settings_from(config_file)
    name, via = _author(who)
    with Database(Places(settings.catalogue).database) as database:
        made = Remarks(database).undo(id, who=name, via=via, reason=reason, alone=alone)
    _say_made(settings, made)


@remark.command("log")
@config_option
@click.argument("key", metavar="[KEY|BEAMTIME]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def log_remarks(config_file: Path | None, key: str | None, as_json: bool) -> None:
    """List remarks, the oldest first: all, or those on a scan, a dataset and its scans, or a beamtime."""
    with _curator(settings_from(config_file)) as curator:
        remarks = curator.about(key)
    for one in remarks:
        click.echo(json.dumps(public_remark(one)) if as_json else "\t".join(map(one_line, _told(one))))


def _author(who: str | None) -> tuple[str, Via]:
    """Give the name a remark is signed with, and how it is known."""
    if who is not None:
        return who, "stated"
    try:
        return getpass.getuser(), "login"
    except (KeyError, OSError, ImportError) as exc:
        raise CatalogError("your login name is not known", remedy="give a name with --who") from exc


def _say_made(settings: Settings, made: Sequence[Remark]) -> None:
    apply_waiting(settings)
    first, last = made[0], made[-1]
    said = f"remark {first.id}" if first is last else f"remarks {first.id} to {last.id}"
    click.echo(f"{said}; to take it back: catbuild remark undo {first.id}")


def _told(remark: Remark) -> Iterator[str]:
    """Give the words of a line of the log."""
    yield str(remark.id)
    yield remark.at.isoformat(sep=" ", timespec="seconds")
    yield remark.who if remark.via == "account" else f"{remark.who} ({remark.via})"
    yield remark.target
    yield remark.field
    yield f"{_said(remark.old)} -> {'as found' if remark.new is None else _said(remark.new)}"
    yield remark.reason or ""
    if remark.undoes is not None:
        yield f"undoes {remark.undoes}"


def _said(value: Json) -> str:
    """Write a value for people: lists with commas, a change of keywords with signs."""
    if isinstance(value, dict):
        signs = (("+", value.get("add")), ("-", value.get("remove")))
        return ", ".join(f"{sign}{word}" for sign, words in signs if isinstance(words, list) for word in words)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
