import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.access import NOBODY, Caller, Role, may, readable, roles
from catalog_builder.config import GroupSettings
from catalog_builder.records import Beamtime

BEAMTIME = Beamtime(id="11017404")
GROUPS = GroupSettings(curators=("{beamtime}-curators",), staff=("p08staff",))
ALL = frozenset(Role)

group_names = st.sampled_from(
    ["11017404-dmgt", "11017404-clbt", "11017404-part", "11017404-curators", "p08staff", "11009999-dmgt", "other"]
)


def caller(*groups: str) -> Caller:
    return Caller(name="someone", groups=frozenset(groups))


@pytest.mark.parametrize(
    ("groups", "granted"),
    [
        ((), set()),
        (("11017404-dmgt",), {Role.READ, Role.DOWNLOAD}),
        (("11017404-part",), {Role.READ, Role.DOWNLOAD}),
        (("11017404-curators",), {Role.READ, Role.DOWNLOAD, Role.CURATE}),
        (("p08staff",), ALL),
        (("11009999-dmgt",), set()),
        (("{beamtime}-dmgt",), set()),
        (("11017404-DMGT",), set()),
    ],
)
def test_groups_say_what_somebody_may_do(groups: tuple[str, ...], granted: set[Role]) -> None:
    assert roles(caller(*groups), BEAMTIME, GROUPS) == granted


@given(st.frozensets(group_names))
def test_somebody_not_signed_in_may_do_nothing_whatever_groups_are_claimed(groups: frozenset[str]) -> None:
    assert roles(Caller(groups=groups), BEAMTIME, GROUPS) == frozenset()
    assert roles(NOBODY, BEAMTIME, GROUPS) == frozenset()


@given(st.frozensets(group_names), group_names)
def test_another_group_never_takes_anything_away(groups: frozenset[str], more: str) -> None:
    few, many = Caller(name="a", groups=groups), Caller(name="a", groups=groups | {more})
    assert roles(few, BEAMTIME, GROUPS) <= roles(many, BEAMTIME, GROUPS)


@given(st.frozensets(group_names))
def test_whoever_may_do_anything_may_read(groups: frozenset[str]) -> None:
    granted = roles(Caller(name="a", groups=groups), BEAMTIME, GROUPS)
    assert not granted or Role.READ in granted


def test_groups_in_the_metadata_stand_in_place_of_the_sites_patterns() -> None:
    beamtime = Beamtime(id="11017404", owner_groups=("p08-owners",), access_groups=("guests",))
    assert may(caller("p08-owners"), Role.READ, beamtime, GROUPS)
    assert may(caller("guests"), Role.DOWNLOAD, beamtime, GROUPS)
    assert not may(caller("11017404-dmgt"), Role.READ, beamtime, GROUPS)
    assert not may(caller("11017404-clbt"), Role.READ, beamtime, GROUPS)
    assert may(caller("p08staff"), Role.ADMINISTER, beamtime, GROUPS)


def test_no_groups_at_all_open_nothing() -> None:
    nothing = GroupSettings(owner=(), readers=(), curators=(), staff=())
    assert roles(caller("", "11017404-dmgt", "staff"), BEAMTIME, nothing) == frozenset()


def test_the_beamtimes_somebody_may_read_are_told_by_id() -> None:
    beamtimes = [Beamtime(id="11017404"), Beamtime(id="11009999")]
    assert readable(caller("11017404-clbt"), beamtimes, GROUPS) == {"11017404"}
    assert readable(caller("p08staff"), beamtimes, GROUPS) == {"11017404", "11009999"}
    assert readable(NOBODY, beamtimes, GROUPS) == frozenset()
