"""``catbuild user``, ``invite``, ``access`` and ``audit``: what they do, say and write into the log."""

import getpass
import re
from pathlib import Path

import pytest

from catalog_builder.accounts import Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.database import Database
from catalog_builder.invitations import Invitations
from catalog_builder.places import Places
from catalog_builder.records import Beamtime
from catalog_builder.recordstore import RecordStore

from ..conftest import Site
from ..test_cli import catbuild, could_not_run


@pytest.fixture
def known(site: Site) -> Site:
    """Give a site whose catalogue holds two beamtimes."""
    store = RecordStore(Places(site.settings.catalogue))
    for id in ("11017404", "11017405"):
        store.save_beamtime(Beamtime(id=id))
    return site


def ran(folder: Path, *words: str) -> str:
    done = catbuild(folder, *words)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout


def database(site: Site) -> Database:
    return Database(Places(site.settings.catalogue).database)


def log(site: Site) -> list[list[str]]:
    """Give the lines of the audit log without their times, after looking at who wrote them."""
    lines = [line.split("\t") for line in ran(site.folder, "audit").splitlines()]
    assert {who for _, who, *_ in lines} <= {f"{getpass.getuser()} (login)"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", at) for at, *_ in lines)
    return [line[2:4] for line in lines]


def test_an_account_through_its_life(known: Site) -> None:
    folder = known.folder
    ran(folder, "user", "add", "Kranz", "--group", "b", "--group", "a", "--password", "long enough")
    assert ran(folder, "user", "groups", "kranz") == "a\tlocal\nb\tlocal\n"
    assert ran(folder, "user", "groups", "kranz", "c", "d") == "c\tlocal\nd\tlocal\n"
    with database(known) as opened:
        Accounts(opened).open_session("kranz")
    assert ran(folder, "user", "sign-out", "kranz") == "kranz was signed in on 1 browser and is out\n"
    ran(folder, "user", "password", "kranz", "--password", "quite another one")
    with database(known) as opened:
        assert LOCAL.verify(Accounts(opened).password_hash("kranz"), "quite another one")
    assert ran(folder, "user", "groups", "kranz", "--none") == ""
    could_not_run(folder, ["user", "groups", "kranz", "a", "--none"], "give either groups or --none")
    could_not_run(folder, ["user", "password", "krans", "--password", "long enough"], "did you mean 'kranz'?")
    assert ran(folder, "user", "remove", "kranz") == "removed kranz\n"
    assert log(known) == [
        ["add account", "kranz in a, b"],
        ["set groups", "kranz in c, d"],
        ["sign out everywhere", "kranz"],
        ["new password", "kranz"],
        ["set groups", "kranz in no group"],
        ["remove account", "kranz"],
    ]
    assert len(ran(folder, "audit", "--most", "2").splitlines()) == 2


def test_a_link_is_printed_once_and_works(known: Site) -> None:
    folder = known.folder
    done = catbuild(folder, "invite", "create", "11017404", "--gives", "download", "--label", "Kiel", "--devices", "1")
    link = re.fullmatch(r"http://127\.0\.0\.1:8008/invited#([\w-]{43})\n", done.stdout)
    assert link is not None, done.stderr
    assert "invitation 1 to beamtime 11017404, until " in done.stderr
    with database(known) as opened:
        redeemed = Invitations(opened, Accounts(opened)).redeem(link[1], stated_name="Nadja")
    assert redeemed is not None
    listed = ran(folder, "invite", "list").splitlines()
    assert listed[0].split("\t")[:5] == ["1", "11017404", "download", "used up", "1 of 1"]
    assert "\tNadja (unverified)\tguest-" in listed[1]
    assert ran(folder, "invite", "list", "--beamtime", "11017405") == ""
    assert "Nadja (guest)" in ran(folder, "user", "list")
    could_not_run(folder, ["user", "groups", redeemed[1].name, "staff"], "a guest is in no group")
    assert ran(folder, "invite", "revoke", "1") == "revoked invitation 1 to beamtime 11017404\n"
    assert ran(folder, "invite", "list").split("\t")[3] == "revoked"
    assert link[1] not in ran(folder, "audit")
    assert log(known) == [
        ["invite", "invitation 1 to beamtime 11017404, for 'Kiel', gives download"],
        ["revoke", "invitation 1 to beamtime 11017404"],
    ]


def test_a_link_names_the_address_that_is_set_or_given(known: Site) -> None:
    known.configured(server={"public_address": "https://catalogue.example.org/"}, auth={"secure_cookies": True})
    words = ["invite", "create", "11017404"]
    assert ran(known.folder, *words).startswith("https://catalogue.example.org/invited#")
    assert ran(known.folder, *words, "--base", "https://other.example/").startswith("https://other.example/invited#")
    could_not_run(known.folder, [*words, "--base", "other.example"], "'other.example' is not a site's address")
    known.configured(auth={"secure_cookies": True})
    could_not_run(known.folder, words, "the site's address is not known; set server.public_address, or give --base")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["invite", "create", "11017409"], "there is no beamtime '11017409' in the catalogue; did you mean"),
        (["invite", "create", "11017404", "--gives", "reed"], "did you mean 'read'?"),
        (["invite", "create", "11017404", "--days", "nan"], "an invitation cannot hold for nan days"),
        (["invite", "create", "11017404", "--devices", "0"], "an invitation cannot be for 0 devices"),
        (["invite", "revoke", "7"], "there is no invitation 7"),
        (["access", "open", "11017404", "--on", "31.3.2027"], "'31.3.2027' is no day; write it as 2027-03-31"),
        (["access", "open", "../.."], "there is no beamtime '../..' in the catalogue"),
        (["access", "close", "11017404"], "beamtime 11017404 is not open; see: catbuild access list"),
        (["access", "explain", "nobody", "11017404"], "there is no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_logged(known: Site, words: list[str], said: str) -> None:
    could_not_run(known.folder, words, said)
    assert log(known) == []


def test_a_beamtime_is_opened_put_under_embargo_and_closed(known: Site) -> None:
    folder = known.folder
    assert ran(folder, "access", "open", "11017404").startswith("beamtime 11017404 is open to everybody since ")
    told = ran(folder, "access", "open", "11017405", "--on", "2999-03-31")
    assert told == "beamtime 11017405 is under embargo, and opens to everybody on 2999-03-30 23:00 UTC\n"
    by = f"by {getpass.getuser()}"
    listed = [line.split("\t") for line in ran(folder, "access", "list").splitlines()]
    assert [(line[0], line[2]) for line in listed] == [("11017404", by), ("11017405", by)]
    assert ran(folder, "access", "close", "11017404") == "beamtime 11017404 is closed\n"
    assert ran(folder, "access", "list").startswith("11017405\tis under embargo")
    assert [action for action, _ in log(known)] == ["open", "open", "close"]


def test_access_is_explained_by_all_there_is_for_it_and_what_there_would_be(known: Site) -> None:
    with database(known) as opened:
        accounts = Accounts(opened)
        accounts.add("anna", groups=["11017404-clbt", "other"])
        invitations = Invitations(opened, accounts)
        _, token = invitations.create("11017404", by="bert", gives="curate")
        invitations.redeem(token, stated_name="", account="anna")
    lines = ran(known.folder, "access", "explain", "anna", "scan:11017404/gk_00001").splitlines()
    because = "in the group 11017404-clbt, which has access to the beamtime; invited to the beamtime"
    assert lines[:7] == [
        f"anna may read: {because}",
        f"anna may download: {because}",
        "anna may curate: invited to the beamtime",
        "anna may not administer",
        "anna is in these groups:",
        "  11017404-clbt, as said by local",
        "  other, as said by local",
    ]
    assert lines[7].startswith("anna has invitation 1, which gives curate until ")
    assert "  11017404-dmgt, which owns the beamtime" in lines
    assert lines[-1] == "it is closed to others"
    ran(known.folder, "access", "open", "11017405")
    lines = ran(known.folder, "access", "explain", "anna", "11017405").splitlines()
    assert lines[0].startswith("anna may read: the beamtime is open to everybody since ")
    assert lines[2] == "anna may not curate"
    assert lines[-1].startswith("it is open to everybody since ")
