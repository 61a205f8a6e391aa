import sqlite3
from pathlib import Path

import pytest

from catalog_builder.audit import Audit
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.openings import OpeningDays


def test_lines_come_newest_first_and_page_by_page(tmp_path: Path) -> None:
    with Database(tmp_path / "c.sqlite3") as database:
        audit = Audit(database)
        for name in ("anna", "bert", "cleo"):
            audit.note("sign in", who=name, address="10.0.0.1", what="x" * 1000)
        newest = audit.last(2)
        assert [entry.who for entry in newest] == ["cleo", "bert"]
        assert [entry.who for entry in audit.last(2, before=newest[-1].id)] == ["anna"]
        assert len(newest[0].what) == 500


@pytest.mark.parametrize("sql", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
def test_lines_are_never_changed_or_removed(tmp_path: Path, sql: str) -> None:
    with Database(tmp_path / "c.sqlite3") as database:
        Audit(database).note("sign in", who="anna")
        with pytest.raises(sqlite3.IntegrityError, match="audit log is never"), database.writing() as db:
            db.execute(sql)
        assert [entry.who for entry in Audit(database).last()] == ["anna"]


def test_a_beamtime_opens_and_closes_and_its_last_day_counts(tmp_path: Path) -> None:
    with Database(tmp_path / "c.sqlite3") as database:
        days = OpeningDays(database)
        days.open("11017404", "sam")
        again = days.open("11017404", "sam")
        assert days.all() == [again.__class__(**{f: getattr(days.all()[0], f) for f in again.__slots__})]
        assert days.close("11017404")
        assert not days.close("11017404")
        assert days.all() == []
        with pytest.raises(CatalogError, match="no beamtime"):
            days.open("../11017404", "sam")
