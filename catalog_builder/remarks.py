"""The journal: what people said about scans and datasets, line by line, and what the lines add up to.

Knows remarks, which of them still count, and what a field can hold; does not know what files and rules say (it is
told), nor who may speak.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import TypeAdapter

from catalog_builder.config import Settings
from catalog_builder.database import Connection, Database, Row, Value
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.names import is_segment, split_key
from catalog_builder.records import Json, Origin, Remark, Via

LONGEST_TITLE = 500
LONGEST_KEYWORD = 100
LONGEST_REASON = 2000
LONGEST_NAME = 200

Kind = Literal["scan", "dataset"]

_REMARKS: TypeAdapter[Remark] = TypeAdapter(Remark)


# What can be said


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something people can say about a scan or dataset."""

    name: str
    kinds: tuple[Kind, ...]
    """What it is said of; what is said of a dataset's flag or group is said of the scans it holds."""
    checked: Callable[[Json, Settings], Json]
    """Gives a value as it is kept; raises CatalogError where it cannot be one. Never asked about None."""
    words: bool = False
    """True where remarks add and remove single words, and add up; else the last one counts."""


def _text(value: Json, what: str, longest: int) -> str:
    """Give a text trimmed, its blanks single; raises CatalogError where it is none, empty, or too long."""
    if not isinstance(value, str):
        raise CatalogError(f"a {what} is a text")
    text = " ".join(value.split())
    if not text or len(text) > longest:
        raise CatalogError(f"a {what} has 1 to {longest} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise CatalogError(f"a {what} holds no control characters")
    return text


def _flag(value: Json, settings: Settings) -> Json:
    if isinstance(value, str):
        known = {flag.lower(): flag for flag in settings.flags}
        if value.strip().lower() in known:
            return known[value.strip().lower()]
    raise CatalogError(f"{value!r} is not one of the flags", remedy=did_you_mean(str(value), settings.flags))


def _title(value: Json, _: Settings) -> Json:
    return _text(value, "title", LONGEST_TITLE)


def _group(value: Json, _: Settings) -> Json:
    if not isinstance(value, str) or not is_segment(value):
        raise CatalogError(f"{value!r} is no dataset's name", remedy="write it as in the address of its page")
    return value


def _keywords(value: Json, settings: Settings) -> Json:
    """Check ``{"add": [...], "remove": [...]}``; a word of the vocabulary is spelt as there."""
    if not isinstance(value, dict) or not value or not value.keys() <= {"add", "remove"}:
        raise CatalogError('a change of keywords looks like {"add": ["XRR"], "remove": ["GID"]}')
    known = {word.lower(): word for word in settings.keywords}
    lists: dict[str, list[str]] = {}
    for name in ("add", "remove"):
        given = value.get(name, [])
        if not isinstance(given, list):
            raise CatalogError(f"{name!r} is a list of keywords")
        words = [_text(word, "keyword", LONGEST_KEYWORD) for word in given]
        lists[name] = sorted({known.get(word.lower(), word) for word in words})
    both = set(lists["add"]) & set(lists["remove"])
    if both or not (lists["add"] or lists["remove"]):
        raise CatalogError(
            f"{min(both)!r} cannot be added and removed at once" if both else "no keyword to add or remove"
        )
    return {"add": list(lists["add"]), "remove": list(lists["remove"])}


FIELDS: Mapping[str, Field] = {
    one.name: one
    for one in (
        Field(name="flag", kinds=("scan",), checked=_flag),
        Field(name="keywords", kinds=("scan", "dataset"), checked=_keywords, words=True),
        Field(name="title", kinds=("scan", "dataset"), checked=_title),
        Field(name="group", kinds=("scan",), checked=_group),
    )
}
"""By name, in the order they are offered."""


def field_named(name: str) -> Field:
    """Give a field; raises CatalogError where there is none of that name."""
    found = FIELDS.get(name)
    if found is None:
        raise CatalogError(f"there is no field {name[:100]!r}", remedy=did_you_mean(name[:100], FIELDS))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A remark that is not made yet."""

    target: str
    field: str
    new: Json
    underlying: Json
    """What files and rules say now."""
    expected: int | None = None
    """Id of the last remark on this field that its writer has seen, 0 for none; None means: whatever was said."""


class ConflictError(CatalogError):
    """Somebody else spoke since the writer looked."""

    def __init__(self, conflicts: Sequence[tuple[Draft, Remark]]) -> None:
        self.conflicts = tuple(conflicts)
        """What was to be said, and the last remark that was made meanwhile."""
        draft, last = self.conflicts[0]
        super().__init__(
            f"{last.who} set {last.field} to {json.dumps(last.new, ensure_ascii=False)} meanwhile (remark {last.id})",
            where=draft.target,
            remedy="look at it, and say again what you want",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (ConflictError, (self.conflicts,))


# What remarks add up to


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """What the remarks on one target add up to."""

    values: Mapping[str, Remark] = field(default_factory=dict)
    """The remark that counts, of each field a person set."""
    words: Mapping[str, Mapping[str, Remark]] = field(default_factory=dict)
    """Of fields that add up: the remark that counts, by word."""


def living(remarks: Iterable[Remark]) -> list[Remark]:
    """Give the remarks that count, by id: a remark that one of them undoes does not."""
    undone: set[int] = set()
    found: list[Remark] = []
    for remark in sorted(remarks, key=lambda one: one.id, reverse=True):
        if remark.id in undone:
            continue
        if remark.undoes is not None:
            undone.add(remark.undoes)
        found.append(remark)
    return found[::-1]


def curations(remarks: Iterable[Remark]) -> dict[str, Curation]:
    """Fold remarks, in whatever order they come, to what they add up to, by target.

    Fields this program does not know are kept by the database and left alone here.
    """
    values: dict[str, dict[str, Remark]] = {}
    words: dict[str, dict[str, dict[str, Remark]]] = {}
    for remark in living(remarks):
        if remark.undoes is not None or remark.field not in FIELDS:
            continue
        if FIELDS[remark.field].words:
            of_field = words.setdefault(remark.target, {}).setdefault(remark.field, {})
            of_field.update(dict.fromkeys([*listed(remark.new, "add"), *listed(remark.new, "remove")], remark))
        elif remark.new is None:
            values.get(remark.target, {}).pop(remark.field, None)
        else:
            values.setdefault(remark.target, {})[remark.field] = remark
    return {
        target: Curation(values=values.get(target, {}), words=words.get(target, {}))
        for target in sorted(values.keys() | words.keys())
    }


def listed(change: Json, name: str) -> list[str]:
    """Give the words that a change of keywords adds or removes."""
    words = change.get(name) if isinstance(change, dict) else None
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def with_words(underlying: Iterable[str], said: Mapping[str, Remark]) -> tuple[str, ...]:
    """Give the words that count: those of files and rules in their order, then those people added, by alphabet."""
    added = {word for word, remark in said.items() if word in listed(remark.new, "add")}
    kept = [word for word in underlying if word not in said or word in added]
    return (*kept, *sorted(added - set(kept)))


def said_by(remark: Remark) -> Origin:
    """Give the origin of what a remark set."""
    return Origin(source="person", name=remark.who, at=remark.at)


def _effective(name: str, curation: Curation, underlying: Json) -> Json:
    """Give what counts for a field: what people said, else what files and rules say."""
    if field_named(name).words:
        words = underlying if isinstance(underlying, list) else []
        return list(with_words(map(str, words), curation.words.get(name, {})))
    remark = curation.values.get(name)
    return underlying if remark is None else remark.new


def _words(effective: Json) -> set[str]:
    return {str(word) for word in effective} if isinstance(effective, list) else set()


def public_remark(remark: Remark) -> dict[str, Json]:
    """Give a remark as plain JSON values."""
    document: dict[str, Json] = _REMARKS.dump_python(remark, mode="json")
    return document


# The journal


def _now() -> datetime:
    return datetime.now(UTC)


class Remarks:
    """The journal of a catalogue: lines are added, never changed or removed."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def append(
        self, drafts: Sequence[Draft], *, who: str, via: Via = "account", reason: str | None = None
    ) -> list[Remark]:
        """Add remarks as one action: all of them, or none.

        Raises ConflictError where a draft expects another last remark, CatalogError where one cannot be made.
        """
        who, reason = _signed(who, reason)
        for draft in drafts:
            _must_fit(draft)
        with self._database.writing() as db:
            self._refuse_conflicts(db, drafts)
            first = _newest(db) + 1
            made: list[Remark] = []
            for draft in drafts:
                before = curations(_of_field(db, draft.target, draft.field)).get(draft.target, Curation())
                remark = Remark(
                    id=first + len(made),
                    batch=first,
                    at=self._moment(),
                    who=who,
                    via=via,
                    target=draft.target,
                    field=draft.field,
                    old=_effective(draft.field, before, draft.underlying),
                    new=draft.new,
                    underlying=draft.underlying,
                    reason=reason,
                )
                _insert(db, remark)
                made.append(remark)
        return made

    def undo(
        self, id: int, *, who: str, via: Via = "account", reason: str | None = None, alone: bool = False
    ) -> list[Remark]:
        """Undo the whole action a remark belongs to, or with ``alone`` the remark alone, by new remarks.

        Everything counts then as if they had not been made; what was said on other occasions stays, earlier or
        later. Raises CatalogError where there is no such remark, or nothing of it counts any more.
        """
        who, reason = _signed(who, reason)
        with self._database.writing() as db:
            rows = db.execute("SELECT * FROM remark WHERE id = ?", (id,)).fetchall()
            if not rows:
                raise CatalogError(f"there is no remark {id}", remedy="list them with: catbuild remark log")
            if not alone:
                rows = db.execute("SELECT * FROM remark WHERE batch = ? ORDER BY id", (rows[0]["batch"],)).fetchall()
            first = _newest(db) + 1
            made: list[Remark] = []
            for undone in map(_remark, rows[::-1]):
                on_field = _of_field(db, undone.target, undone.field)
                if undone.id not in {remark.id for remark in living(on_field)}:
                    continue
                remark = self._undoing(undone, on_field, first + len(made), first, who, via, reason)
                _insert(db, remark)
                made.append(remark)
        if not made:
            raise CatalogError(f"remark {id} is undone already", remedy="to bring it back, undo what undid it")
        return made

    def _undoing(
        self, undone: Remark, before: list[Remark], id: int, batch: int, who: str, via: Via, reason: str | None
    ) -> Remark:
        """Give the remark that undoes another; ``new`` tells what comes of it."""
        target, name = undone.target, undone.field
        remark = Remark(
            id=id,
            batch=batch,
            at=self._moment(),
            who=who,
            via=via,
            target=target,
            field=name,
            old=_effective(name, curations(before).get(target, Curation()), undone.underlying),
            new=None,
            underlying=undone.underlying,
            reason=reason,
            undoes=undone.id,
        )
        after = curations([*before, remark]).get(target, Curation())
        if not field_named(name).words:
            left = after.values.get(name)
            return replace(remark, new=None if left is None else left.new)
        was, then = _words(remark.old), _words(_effective(name, after, undone.underlying))
        return replace(remark, new={"add": [*sorted(then - was)], "remove": [*sorted(was - then)]})

    def log(
        self,
        *,
        targets: Iterable[str] | None = None,
        beamtime: str | None = None,
        who: str | None = None,
        field: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Remark]:
        """Give the remarks that all the filters let through, by id.

        Parameters
        ----------
        targets
            Keys of scans and datasets.
        since
            Remarks made then or later.
        before
            Remarks of smaller ids: to page back.
        limit
            The newest so many.
        """
        conditions: list[tuple[str, Value]] = []
        if targets is not None:
            conditions.append(("target IN (SELECT value FROM json_each(?))", json.dumps(sorted(set(targets)))))
        for column, wanted in (("beamtime", beamtime), ("who", who), ("field", field)):
            if wanted is not None:
                conditions.append((f"{column} = ?", wanted))
        if since is not None:
            conditions.append(("at >= ?", _milliseconds(since)))
        if before is not None:
            conditions.append(("id < ?", before))
        where = " AND ".join(condition for condition, _ in conditions) or "1"
        rows = self._database.rows(
            f"SELECT * FROM remark WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - our own words
            (*(value for _, value in conditions), -1 if limit is None else limit),
        )
        return [_remark(row) for row in rows[::-1]]

    def of_beamtime(self, id: str) -> list[Remark]:
        """Give all remarks on a beamtime's scans and datasets, by id."""
        return self.log(beamtime=id)

    def newest_id(self, beamtime: str | None = None) -> int:
        """Give the id of the newest remark, of one beamtime or of all; 0 where there is none."""
        if beamtime is None:
            row = self._database.row("SELECT max(id) AS newest FROM remark")
        else:
            row = self._database.row("SELECT max(id) AS newest FROM remark WHERE beamtime = ?", (beamtime,))
        return 0 if row is None or row["newest"] is None else int(row["newest"])

    def beamtimes_since(self, id: int) -> list[str]:
        """Give the ids of the beamtimes with remarks newer than this one, sorted."""
        rows = self._database.rows("SELECT DISTINCT beamtime FROM remark WHERE id > ? ORDER BY beamtime", (id,))
        return [row["beamtime"] for row in rows]

    def _refuse_conflicts(self, db: Connection, drafts: Iterable[Draft]) -> None:
        conflicts: list[tuple[Draft, Remark]] = []
        for draft in drafts:
            if draft.expected is None:
                continue
            said = _of_field(db, draft.target, draft.field)
            if said and said[-1].id != draft.expected:
                conflicts.append((draft, said[-1]))
        if conflicts:
            raise ConflictError(conflicts)

    def _moment(self) -> datetime:
        """Give the time as it is kept: to the millisecond."""
        return _time(_milliseconds(self._clock()))


def _signed(who: str, reason: str | None) -> tuple[str, str | None]:
    """Give name and reason as they are kept; raises CatalogError where one cannot be kept."""
    has_reason = reason is not None and reason.strip()
    return _text(who, "name", LONGEST_NAME), _text(reason, "reason", LONGEST_REASON) if has_reason else None


def _must_fit(draft: Draft) -> None:
    """Raise CatalogError where a draft's target cannot have its field."""
    try:
        kind = split_key(draft.target)[0]
    except ValueError as exc:
        raise CatalogError(str(exc)) from exc
    if kind not in field_named(draft.field).kinds:
        raise CatalogError(f"a {kind} has no {draft.field} of its own", where=draft.target)


def _newest(db: Connection) -> int:
    return int(db.execute("SELECT coalesce(max(id), 0) FROM remark").fetchone()[0])


def _of_field(db: Connection, target: str, name: str) -> list[Remark]:
    rows = db.execute("SELECT * FROM remark WHERE target = ? AND field = ? ORDER BY id", (target, name))
    return [_remark(row) for row in rows.fetchall()]


def _insert(db: Connection, remark: Remark) -> None:
    db.execute(
        "INSERT INTO remark VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            remark.id,
            remark.batch,
            _milliseconds(remark.at),
            remark.who,
            remark.via,
            split_key(remark.target)[1],
            remark.target,
            remark.field,
            json.dumps(remark.old),
            json.dumps(remark.new),
            json.dumps(remark.underlying),
            remark.reason,
            remark.undoes,
        ),
    )


def _remark(row: Row) -> Remark:
    return Remark(
        id=row["id"],
        batch=row["batch"],
        at=_time(row["at"]),
        who=row["who"],
        via=row["via"],
        target=row["target"],
        field=row["field"],
        old=json.loads(row["old"]),
        new=json.loads(row["new"]),
        underlying=json.loads(row["underlying"]),
        reason=row["reason"],
        undoes=row["undoes"],
    )


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
