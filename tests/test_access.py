from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.access import NOBODY, Caller, Openings, Role, may, readable, reasons, roles
from catalog_builder.config import GroupSettings
from catalog_builder.records import Beamtime

BEAMTIME = Beamtime(id="11017404")
GROUPS = GroupSettings(curators=("{beamtime}-curators",), staff=("p08staff",))
ALL = frozenset(Role)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CLOSED = Openings(now=NOW)

group_names = st.sampled_from(
    ["11017404-dmgt", "11017404-clbt", "11017404-part", "11017404-curators", "p08staff", "11009999-dmgt", "other"]
)


def caller(*groups: str) -> Caller:
    return Caller(name="someone", groups=frozenset(groups))


@pytest.mark.parametrize(
    ("groups", "granted"),
    [
        ((), set()),
        (("11017404-dmgt",), ALL),
        (("11017404-part",), {Role.READ, Role.DOWNLOAD}),
        (("11017404-curators",), {Role.READ, Role.DOWNLOAD, Role.CURATE}),
        (("p08staff",), ALL),
        (("11009999-dmgt",), set()),
        (("{beamtime}-dmgt",), set()),
        (("11017404-DMGT",), set()),
    ],
)
def test_groups_say_what_somebody_may_do(groups: tuple[str, ...], granted: set[Role]) -> None:
    assert roles(caller(*groups), BEAMTIME, GROUPS, CLOSED) == granted


@given(st.frozensets(group_names))
def test_somebody_not_signed_in_may_do_nothing_whatever_groups_are_claimed(groups: frozenset[str]) -> None:
    assert roles(Caller(groups=groups), BEAMTIME, GROUPS, CLOSED) == frozenset()
    assert roles(NOBODY, BEAMTIME, GROUPS, CLOSED) == frozenset()


@given(st.frozensets(group_names), group_names)
def test_another_group_never_takes_anything_away(groups: frozenset[str], more: str) -> None:
    few, many = Caller(name="a", groups=groups), Caller(name="a", groups=groups | {more})
    assert roles(few, BEAMTIME, GROUPS, CLOSED) <= roles(many, BEAMTIME, GROUPS, CLOSED)


@given(st.frozensets(group_names))
def test_whoever_may_do_anything_may_read(groups: frozenset[str]) -> None:
    granted = roles(Caller(name="a", groups=groups), BEAMTIME, GROUPS, CLOSED)
    assert not granted or Role.READ in granted


def test_groups_in_the_metadata_stand_in_place_of_the_sites_patterns() -> None:
    beamtime = Beamtime(id="11017404", owner_groups=("p08-owners",), access_groups=("guests",))
    assert may(caller("p08-owners"), Role.READ, beamtime, GROUPS, CLOSED)
    assert may(caller("guests"), Role.DOWNLOAD, beamtime, GROUPS, CLOSED)
    assert not may(caller("11017404-dmgt"), Role.READ, beamtime, GROUPS, CLOSED)
    assert not may(caller("11017404-clbt"), Role.READ, beamtime, GROUPS, CLOSED)
    assert may(caller("p08staff"), Role.ADMINISTER, beamtime, GROUPS, CLOSED)


def test_no_groups_at_all_open_nothing() -> None:
    nothing = GroupSettings(owner=(), readers=(), curators=(), staff=())
    assert roles(caller("", "11017404-dmgt", "staff"), BEAMTIME, nothing, CLOSED) == frozenset()


def test_the_beamtimes_somebody_may_read_are_told_by_id() -> None:
    beamtimes = [Beamtime(id="11017404"), Beamtime(id="11009999")]
    assert readable(caller("11017404-clbt"), beamtimes, GROUPS, CLOSED) == {"11017404"}
    assert readable(caller("p08staff"), beamtimes, GROUPS, CLOSED) == {"11017404", "11009999"}
    assert readable(NOBODY, beamtimes, GROUPS, CLOSED) == frozenset()


@pytest.mark.parametrize(
    ("day", "nobody", "stranger"),
    [
        (NOW, {Role.READ}, {Role.READ, Role.DOWNLOAD}),
        (NOW + timedelta(seconds=1), set(), set()),
        (NOW - timedelta(days=400), {Role.READ}, {Role.READ, Role.DOWNLOAD}),
    ],
)
def test_a_beamtime_is_open_to_everybody_from_its_day_on_and_not_before(
    day: datetime, nobody: set[Role], stranger: set[Role]
) -> None:
    openings = Openings(days={"11017404": day}, now=NOW)
    assert roles(NOBODY, BEAMTIME, GROUPS, openings) == nobody
    assert roles(caller("other"), BEAMTIME, GROUPS, openings) == stranger
    assert roles(NOBODY, Beamtime(id="11009999"), GROUPS, openings) == frozenset()


def test_an_invitation_opens_its_beamtime_alone_and_as_far_as_it_says() -> None:
    guest = Caller(name="guest-1", invited={"11017404": frozenset({Role.READ})})
    assert roles(guest, BEAMTIME, GROUPS, CLOSED) == {Role.READ}
    assert roles(guest, Beamtime(id="11009999"), GROUPS, CLOSED) == frozenset()
    assert roles(Caller(invited=guest.invited), BEAMTIME, GROUPS, CLOSED) == frozenset()


def test_reasons_name_each_way_in() -> None:
    person = Caller(
        name="a", groups=frozenset({"11017404-dmgt", "11017404-clbt"}), invited={"11017404": frozenset({Role.READ})}
    )
    openings = Openings(days={"11017404": datetime(2025, 1, 2, tzinfo=UTC)}, now=NOW)
    assert [reason.because for reason in reasons(person, BEAMTIME, GROUPS, openings)] == [
        "the beamtime is open to everybody since 2025-01-02",
        "in the group 11017404-dmgt, which owns the beamtime",
        "in the group 11017404-clbt, which has access to the beamtime",
        "invited to the beamtime",
    ]
