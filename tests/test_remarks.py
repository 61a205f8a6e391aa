"""The journal: lines are added and never changed; what counts is folded from them."""

import itertools
import json
import multiprocessing
import pickle
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.records import Json, Remark
from catalog_builder.remarks import FIELDS, ConflictError, Draft, Remarks, curations, field_named, living, with_words

SCAN = "scan:11/gk_00001"
OTHER = "scan:11/gk_00002"


def settings(**more: Any) -> Settings:
    document = {"beamtimes": {"roots": ["/data"]}, "catalogue": "/catalogue", **more}
    return Settings.model_validate_json(json.dumps(document), context={"folder": Path("/")})


def flag(value: str | None, target: str = SCAN, **more: Any) -> Draft:
    return Draft(target=target, field="flag", new=value, underlying="measurement", **more)


def words(*add: str, remove: list[str] | None = None) -> Draft:
    change: Json = {"add": list(add), "remove": [*(remove or [])]}
    return Draft(target=SCAN, field="keywords", new=change, underlying=["GID"])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        yield database


@pytest.fixture
def journal(database: Database) -> Remarks:
    ticks = itertools.count(1_700_000_000)
    return Remarks(database, clock=lambda: datetime.fromtimestamp(next(ticks) + 0.0625, UTC))


def counts(journal: Remarks, target: str = SCAN) -> Json:
    """Give the flag that people set, or None."""
    found = curations(journal.log()).get(target)
    return None if found is None or "flag" not in found.values else found.values["flag"].new


def test_a_remark_keeps_who_when_before_after_and_why(journal: Remarks) -> None:
    (made,) = journal.append([flag("alignment")], who="anna", via="login", reason=" knife edge ")
    assert made == Remark(
        id=1,
        batch=1,
        at=datetime(2023, 11, 14, 22, 13, 20, 62000, UTC),
        who="anna",
        via="login",
        target=SCAN,
        field="flag",
        old="measurement",
        new="alignment",
        underlying="measurement",
        reason="knife edge",
    )
    assert journal.log() == [made]


def test_before_is_what_counted_not_what_the_file_says(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    (second,) = journal.append([flag("calibration")], who="ben")
    assert (second.old, second.underlying) == ("alignment", "measurement")
    journal.append([words("XRR")], who="anna")
    assert journal.append([words(remove=["GID"])], who="ben")[0].old == ["GID", "XRR"]


def test_an_action_of_many_remarks_is_one_batch_and_made_whole_or_not_at_all(journal: Remarks) -> None:
    made = journal.append([flag("alignment"), flag("alignment", OTHER)], who="anna")
    assert [(one.id, one.batch) for one in made] == [(1, 1), (2, 1)]
    with pytest.raises(CatalogError, match="there is no field 'flagg'; did you mean 'flag'"):
        journal.append([flag("alignment"), Draft(target=SCAN, field="flagg", new="x", underlying=None)], who="anna")
    with pytest.raises(CatalogError, match="dataset:11/gk: a dataset has no flag of its own"):
        journal.append([flag("alignment"), flag("alignment", "dataset:11/gk")], who="anna")
    assert journal.newest_id() == 2


def test_undoing_a_remark_brings_back_what_counted_before(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    journal.append([flag("calibration")], who="ben")
    (undone,) = journal.undo(2, who="anna", reason="a mistake")
    assert (undone.old, undone.new, undone.undoes) == ("calibration", "alignment", 2)
    assert counts(journal) == "alignment"
    journal.undo(1, who="anna")
    assert counts(journal) is None


def test_undoing_an_earlier_remark_leaves_the_later_one(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    journal.append([flag("calibration")], who="ben")
    journal.undo(1, who="anna")
    assert counts(journal) == "calibration"
    journal.undo(2, who="anna")
    assert counts(journal) is None


def test_undoing_what_undid_brings_it_back(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    journal.undo(1, who="anna")
    (again,) = journal.undo(2, who="anna")
    assert (again.old, again.new, counts(journal)) == ("measurement", "alignment", "alignment")


def test_an_action_is_undone_whole_unless_one_remark_alone_is_meant(journal: Remarks) -> None:
    journal.append([flag("alignment"), flag("alignment", OTHER)], who="anna")
    journal.undo(2, who="anna", alone=True)
    assert (counts(journal), counts(journal, OTHER)) == ("alignment", None)
    assert [one.undoes for one in journal.undo(2, who="anna")] == [1]
    assert counts(journal) is None
    with pytest.raises(CatalogError, match="remark 1 is undone already"):
        journal.undo(1, who="anna")
    with pytest.raises(CatalogError, match="there is no remark 99"):
        journal.undo(99, who="anna")


def test_the_words_of_two_people_add_up_and_each_takes_back_only_their_own(journal: Remarks) -> None:
    journal.append([words("XRR", "liquid")], who="anna")
    journal.append([words("XRR", remove=["GID"])], who="ben")

    def now() -> tuple[str, ...]:
        found = curations(journal.log()).get(SCAN)
        return with_words(["GID"], found.words["keywords"] if found else {})

    assert now() == ("XRR", "liquid")
    (undone,) = journal.undo(1, who="anna")
    assert (undone.old, undone.new) == (["XRR", "liquid"], {"add": [], "remove": ["liquid"]})
    assert now() == ("XRR",)
    journal.undo(2, who="ben")
    assert now() == ("GID",)


def test_none_gives_a_field_back(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    journal.append([flag(None)], who="anna")
    assert counts(journal) is None


def test_an_edit_of_what_somebody_else_changed_meanwhile_is_refused_with_both(journal: Remarks) -> None:
    journal.append([flag("alignment", expected=0)], who="anna")
    stale = flag("calibration", expected=0)
    with pytest.raises(ConflictError, match='anna set flag to "alignment" meanwhile \\(remark 1\\)') as caught:
        journal.append([flag("calibration", OTHER, expected=0), stale], who="ben")
    assert [(draft, last.new) for draft, last in caught.value.conflicts] == [(stale, "alignment")]
    assert pickle.loads(pickle.dumps(caught.value)).conflicts == caught.value.conflicts
    assert journal.newest_id() == 1
    journal.append([flag("calibration", expected=1)], who="ben")
    assert counts(journal) == "calibration"


def test_the_log_is_filtered_by_target_beamtime_person_field_and_time(journal: Remarks) -> None:
    journal.append([flag("alignment")], who="anna")
    journal.append([flag("alignment", "scan:12/x")], who="ben")
    journal.append([words("XRR")], who="anna")

    def ids(**filters: Any) -> list[int]:
        return [one.id for one in journal.log(**filters)]

    assert ids(targets=[SCAN]) == ids(beamtime="11") == [one.id for one in journal.of_beamtime("11")] == [1, 3]
    assert (ids(who="ben"), ids(field="keywords"), ids(targets=[])) == ([2], [3], [])
    second = journal.log()[1].at
    assert ids(since=second) == [2, 3]
    assert (ids(limit=2), ids(limit=2, before=3), ids(before=1)) == ([2, 3], [1, 2], [])
    assert (journal.newest_id(), journal.newest_id("12"), journal.newest_id("13")) == (3, 2, 0)
    assert (journal.beamtimes_since(0), journal.beamtimes_since(2), journal.beamtimes_since(3)) == (
        ["11", "12"],
        ["11"],
        [],
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE remark SET who = 'eve'",
        "DELETE FROM remark",
        "DELETE FROM remark WHERE id = 1",
        "INSERT OR REPLACE INTO remark SELECT id, batch, at, 'eve', via, beamtime, target, field, old, new, "
        "underlying, reason, undoes FROM remark",
        "INSERT INTO remark SELECT * FROM remark WHERE true ON CONFLICT DO UPDATE SET who = 'eve'",
    ],
)
def test_the_database_itself_refuses_to_change_a_remark(database: Database, journal: Remarks, sql: str) -> None:
    made = journal.append([flag("alignment")], who="anna")
    shell = sqlite3.connect(database.path)
    with pytest.raises(sqlite3.IntegrityError, match="remarks are never"):
        shell.execute(sql)
    shell.close()
    assert journal.log() == made


def _speak(path: Path, who: str, times: int) -> None:
    with Database(path) as database:
        for _ in range(times):
            Remarks(database).append([flag("alignment"), flag("alignment", OTHER)], who=who)


def test_remarks_of_several_processes_are_all_there_once_with_their_batches_whole(database: Database) -> None:
    spawn = multiprocessing.get_context("spawn")
    people = [spawn.Process(target=_speak, args=(database.path, who, 15)) for who in ("anna", "ben", "carl")]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    found = Remarks(database).log()
    assert [one.id for one in found] == list(range(1, 91))
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert (first.batch, first.who, first.target) == (second.batch, second.who, SCAN)


# What a field can hold


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("flag", " Alignment ", "alignment"),
        ("title", "  SrTiO3,\n 20 nm ", "SrTiO3, 20 nm"),
        ("group", "gk=20sto", "gk=20sto"),
        ("keywords", {"add": ["xrr", "my own"]}, {"add": ["XRR", "my own"], "remove": []}),
        ("keywords", {"add": ["b", "a", "b"], "remove": ["c"]}, {"add": ["a", "b"], "remove": ["c"]}),
    ],
)
def test_a_value_is_kept_as_the_vocabulary_spells_it(name: str, given: Json, kept: Json) -> None:
    assert field_named(name).checked(given, settings(keywords=["XRR"])) == kept


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("flag", "alignmnet", "'alignmnet' is not one of the flags; did you mean 'alignment'?"),
        ("flag", 3, "is not one of the flags"),
        ("title", "", "a title has 1 to 500 characters"),
        ("title", "x" * 501, "a title has 1 to 500 characters"),
        ("title", "a\x00b", "no control characters"),
        ("title", "a\ud800b", "no control characters"),
        ("title", ["x"], "a title is a text"),
        ("group", "../../etc", "is no dataset's name"),
        ("group", "..", "is no dataset's name"),
        ("keywords", "XRR", "a change of keywords looks like"),
        ("keywords", {}, "a change of keywords looks like"),
        ("keywords", {"set": ["XRR"]}, "a change of keywords looks like"),
        ("keywords", {"add": "XRR"}, "'add' is a list"),
        ("keywords", {"add": [""]}, "a keyword has 1 to 100 characters"),
        ("keywords", {"add": ["XRR"], "remove": ["XRR"]}, "added and removed at once"),
        ("keywords", {"add": [], "remove": []}, "no keyword"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(name: str, given: Json, says: str) -> None:
    with pytest.raises(CatalogError) as caught:
        field_named(name).checked(given, settings())
    assert says in str(caught.value)


@pytest.mark.parametrize("who", ["", "  ", "x" * 201, "a\x1bb"])
def test_a_remark_without_a_proper_name_is_refused(journal: Remarks, who: str) -> None:
    with pytest.raises(CatalogError, match="a name"):
        journal.append([flag("alignment")], who=who)


def test_text_that_is_no_unicode_in_a_file_does_not_stop_a_remark(journal: Remarks) -> None:
    draft = Draft(target=SCAN, field="title", new="better", underlying="caf\udce9")
    journal.append([draft], who="anna")
    assert journal.log()[0].underlying == "caf\udce9"


# Laws

Action = tuple[str, Any]
ACTIONS: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.lists(
                st.one_of(
                    st.builds(
                        flag, st.sampled_from(["alignment", "calibration", None]), st.sampled_from([SCAN, OTHER])
                    ),
                    st.builds(words, st.sampled_from("ab")),
                    st.builds(lambda word: words(remove=[word]), st.sampled_from(["a", "b", "GID"])),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        st.tuples(st.just("undo"), st.tuples(st.integers(1, 12), st.booleans())),
    ),
    max_size=8,
)


def effective(remarks: list[Remark]) -> dict[str, Any]:
    """Give all that counts, files and rules included."""
    said = curations(remarks)
    found: dict[str, Any] = {}
    for target in (SCAN, OTHER):
        values = said[target].values if target in said else {}
        by_word = said[target].words.get("keywords", {}) if target in said else {}
        found[target] = (values["flag"].new if "flag" in values else "measurement", with_words(["GID"], by_word))
    return found


@given(ACTIONS)
def test_undoing_restores_what_counted_and_undoing_all_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Action]
) -> None:
    with Database(tmp_path_factory.mktemp("law") / "catalogue.sqlite3") as database:
        journal = Remarks(database)
        for what, given_ in actions:
            before = effective(journal.log())
            try:
                if what == "append":
                    made = journal.append(given_, who="anna")
                else:
                    made = journal.undo(given_[0], who="anna", alone=given_[1])
            except CatalogError:
                assert effective(journal.log()) == before
                continue
            after = effective(journal.log())
            journal.undo(made[0].id, who="ben")
            assert effective(journal.log()) == before
            journal.undo(journal.newest_id(), who="ben")
            assert effective(journal.log()) == after
        for one in journal.log()[::-1]:
            if one.undoes is None and one.id in {left.id for left in _counting(journal)}:
                journal.undo(one.id, who="carl", alone=True)
        assert effective(journal.log()) == effective([])
        assert curations(journal.log()) == {}


def _counting(journal: Remarks) -> list[Remark]:
    return [one for one in living(journal.log()) if one.undoes is None]


@given(st.randoms(use_true_random=False), ACTIONS)
def test_folding_does_not_depend_on_the_order_or_the_batches_remarks_come_in(
    tmp_path_factory: pytest.TempPathFactory, dice: Any, actions: list[Action]
) -> None:
    drafts = [draft for what, given_ in actions if what == "append" for draft in given_]
    with Database(tmp_path_factory.mktemp("law") / "catalogue.sqlite3") as database:
        for draft in drafts:
            Remarks(database).append([draft], who="anna")
        one_by_one = Remarks(database).log()
    with Database(tmp_path_factory.mktemp("law") / "catalogue.sqlite3") as database:
        at_once = Remarks(database).append(drafts, who="anna")
    assert effective(at_once) == effective(one_by_one)
    shuffled = list(one_by_one)
    dice.shuffle(shuffled)
    assert curations(shuffled) == curations(one_by_one)


@given(ACTIONS)
def test_what_is_said_of_one_target_does_not_touch_another(actions: list[Action]) -> None:
    drafts = [draft for what, given_ in actions if what == "append" for draft in given_]
    remarks = [
        Remark(
            id=place,
            batch=place,
            at=datetime(2024, 1, 1, tzinfo=UTC),
            who="anna",
            via="account",
            target=draft.target,
            field=draft.field,
            old=None,
            new=draft.new,
            underlying=draft.underlying,
        )
        for place, draft in enumerate(drafts, 1)
    ]
    for target in (SCAN, OTHER):
        own = [one for one in remarks if one.target == target]
        assert curations(own).get(target) == curations(remarks).get(target)


def test_every_field_of_the_journal_is_said_of_something() -> None:
    assert set(FIELDS) == {"flag", "keywords", "title", "group"}
    assert all(field.kinds for field in FIELDS.values())
