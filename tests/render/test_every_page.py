"""What holds for every page, whatever records it shows."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import get_args

import pytest

from catalog_builder.access import standings
from catalog_builder.accounts import Account, Kind
from catalog_builder.audit import Entry
from catalog_builder.config import GroupSettings
from catalog_builder.facets import SearchRequest
from catalog_builder.invitations import Invitation
from catalog_builder.openings import Opening
from catalog_builder.records import Beamtime, Via
from catalog_builder.render import (
    AccessView,
    AccountLine,
    AccountView,
    BeamtimeCard,
    CartLine,
    GuestLine,
    InvitationLine,
    Member,
    NewLink,
    OwnBeamtime,
    Renderer,
    StaffView,
)

from .conftest import (
    NASTY,
    bare_beamtime,
    bare_dataset,
    bare_hit,
    bare_scan,
    full_beamtime,
    full_dataset,
    full_scan,
    hit,
    result,
)

ADDRESSES = re.compile(
    r"/|/search|/cart|/cart/download|/status|/sign-in|/help/[a-z-]*"
    r"|/beamtimes/\d{8}/(page-\d+/)?"
    r"|/beamtimes/\d{8}/datasets/[\w.=~-]+/(page-\d+/|dataset\.json)?"
    r"|/beamtimes/\d{8}/scans/[\w.=~-]+/((preview(-\d+)?|thumb)\.png|curve\.json|scan\.json)?"
    r"|/assets/[\w./-]+|/invited|/account|/beamtimes/\d{8}/access|/staff(/log)?|data:image/png;base64,[\w+/=]+"
)
POSTED = {"/cart/add", "/cart/remove", "/cart/clear", "/sign-in", "/sign-out", "/invited", "/account/password"}
POSTED |= {f"/beamtimes/11017404/access/{deed}" for deed in ("invite", "revoke", "open", "close")}
POSTED |= {f"/staff/{deed}" for deed in ("add", "password", "groups", "sign-out", "remove", "revoke")}
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENTS = re.compile(r"on[a-z]+")


def static_pages(renderer: Renderer, text: str) -> Iterator[tuple[str, bytes]]:
    for beamtime, dataset in (
        (bare_beamtime(), bare_dataset(bare_scan())),
        (bare_beamtime(), bare_dataset()),
        (full_beamtime(text), full_dataset(text, *(full_scan(f"a_{n:05d}", text) for n in range(103)))),
    ):
        yield from renderer.beamtime_pages(beamtime, [dataset])
        yield from renderer.dataset_pages(beamtime, dataset)
        for scan in dataset.scans[:2]:
            yield from renderer.scan_pages(beamtime, scan, dataset)
    yield from renderer.beamtime_pages(full_beamtime(text), [])


def live_pages(renderer: Renderer, text: str) -> Iterator[str]:
    card = BeamtimeCard(beamtime=full_beamtime(text), datasets=4, scans=2841)
    yield renderer.home([card, BeamtimeCard(beamtime=bare_beamtime(), datasets=0, scans=0)])
    yield renderer.home([])
    everything = {name: {text: 3, "b": 1} for name in ("flag", "keyword", "sample", "on_disk", "macro", "year")}
    everything["sample"] |= {f"s{n}": 1 for n in range(300)}
    request = SearchRequest(q=text, chosen={"keyword": (text,), "flag": ("alignment",)}, page=2)
    for level in ("dataset", "scan"):
        asked = SearchRequest(q=text, chosen=request.chosen, level="scan" if level == "scan" else "dataset")
        yield renderer.search_page(asked, result(hit(text, level), bare_hit(level), total=2841, **everything), None)
    yield renderer.search_page(request, result(total=40), None)
    yield renderer.search_page(request, result(), None)
    yield renderer.search_page(request, None, text)
    yield renderer.search_page(SearchRequest(), result(), None)
    address = "/beamtimes/11017404/scans/a_00001/"
    line = CartLine(
        key="scan:11017404/a_00001", title=text, address=address, beamtime="11017404", files=3, size=9, on_disk="disk"
    )
    yield renderer.cart_page([line])
    yield renderer.cart_page([])
    yield renderer.sign_in_page(f"/search?q={text}", text, text)
    yield renderer.sign_in_page("/", None, "")
    yield renderer.message_page(404, text, text)
    yield renderer.status_page({})
    report = {"built": "2023-10-08T01:40:00+00:00", "seconds": 1.5, "ok": True, "none": None, text: text}
    problems = [{"beamtime": "11017404", "where": text, "what": text}, text]
    yield renderer.status_page({**report, "summary": {"read": 3, "deep": {text: [text]}}, "problems": problems})
    for name in ("index", "searching", "access"):
        yield renderer.help_page(name) or ""
    yield from pages_about_people(renderer, text)


def pages_about_people(renderer: Renderer, text: str) -> Iterator[str]:
    yield renderer.sign_in_page("/", None, "", again=True, any_open=True)
    yield renderer.invited_page(None, "", None)
    yield renderer.invited_page(text, text, text)
    opening = Opening(beamtime="11017404", day=NOW, by=text, at=NOW)
    guest, local = account(text, "guest"), account(text, "local")
    lines = tuple(
        InvitationLine(invitation=invitation(text), state=state, guests=guests)
        for state in ("open", "used up", "over", "revoked")
        for guests in [tuple(GuestLine(account=one, stated_name=text, at=NOW) for one in (guest, local) for _ in "abc")]
    )
    view = AccessView(
        beamtime=full_beamtime(text),
        standings=standings(Beamtime(id="11017404", owner_groups=(text,)), GroupSettings(staff=("staff",))),
        members=(Member(account=local, because=(text, "b")),),
        more_members=3,
        invitations=lines,
        opening=opening,
        is_open=True,
        opens_for=True,
    )
    yield renderer.access_page(view, NewLink(invitation=invitation(text), address="http://[::1]:8/invited#abc"))
    yield renderer.access_page(replace(view, is_open=False), None, text)
    yield renderer.access_page(
        replace(view, is_open=False, opening=None, opens_for=False, invitations=(), members=(), more_members=0)
    )
    accounts = tuple(
        AccountLine(account=one, own_groups=(text,), other_groups=(text,))
        for one in (guest, local, account(text, "oidc"), account(text, "proxy"))
    )
    staff = StaffView(
        find=text,
        accounts=accounts,
        more_accounts=1,
        invitations=lines,
        more_invitations=1,
        openings=(opening,),
        now=NOW,
    )
    yield renderer.staff_page(staff, (text, text))
    yield renderer.staff_page(replace(staff, accounts=(), invitations=(), openings=()), None, text)
    own = OwnBeamtime(beamtime=full_beamtime(text), roles=("read", "administer"), because=(text, text))
    mine = AccountView(
        account=local,
        groups=((text, "local"), (text, text)),
        beamtimes=(own, replace(own, roles=("read",))),
        more_beamtimes=1,
        invitations=(invitation(text),),
        sessions=2,
        expires=NOW,
        shared_computer=False,
        is_staff=True,
        has_password=True,
    )
    yield renderer.account_page(mine, text)
    yield renderer.account_page(replace(mine, account=guest, groups=(), beamtimes=(), is_staff=False), None, text)
    entries = [
        Entry(id=number, at=NOW, who=text, via=via, action=text, what=text, address=text)
        for number, via in enumerate(get_args(Via))
    ]
    yield renderer.log_page(entries, 9, 1)
    yield renderer.log_page([], None, None)


def account(text: str, kind: Kind) -> Account:
    return Account(name="name", display_name=text, groups=(text,), created=NOW, kind=kind)


def invitation(text: str) -> Invitation:
    return Invitation(
        id=1,
        beamtime="11017404",
        label=text,
        gives="curate",
        devices=3,
        used=2,
        created=NOW,
        by=text,
        expires=NOW,
        revoked=None,
    )


def every_page(renderer: Renderer, text: str = NASTY) -> list[str]:
    static = [content.decode() for path, content in static_pages(renderer, text) if path.endswith(".html")]
    return static + list(live_pages(renderer, text))


class Reading(HTMLParser):
    """Collects the tags of a page, and checks that they close in the order they opened."""

    VOID = frozenset(("meta", "link", "input", "img", "br", "hr"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages(renderer: Renderer) -> list[str]:
    return every_page(renderer)


@pytest.fixture(scope="module")
def readings(pages: list[str]) -> list[Reading]:
    return [Reading(page) for page in pages]


def test_text_from_files_and_people_is_text(pages: list[str]) -> None:
    assert sum("&lt;script&gt;" in page for page in pages) > 12
    assert not any(NASTY in page or "<script>" in page for page in pages)


def test_nothing_is_inline_so_that_the_content_policy_holds(readings: list[Reading]) -> None:
    for reading in readings:
        for tag, attributes in reading.tags:
            assert tag != "style"
            assert tag != "script" or attributes["src"]
            assert "style" not in attributes
            assert not [name for name in attributes if EVENTS.fullmatch(name)]


def test_every_link_leads_to_an_address_of_the_site(readings: list[Reading]) -> None:
    for reading in readings:
        links = [
            attributes.get(name) or ""
            for tag, attributes in reading.tags
            for name in ("href", "src", "data-curve", "action")
            if name in attributes
        ]
        assert links
        for link in links:
            path = link.partition("?")[0].partition("#")[0]
            assert link == "#main" or path in POSTED or ADDRESSES.fullmatch(path), link


def test_forms_that_change_something_are_posted(readings: list[Reading]) -> None:
    for reading in readings:
        for tag, attributes in reading.tags:
            if tag == "form":
                assert (attributes["method"] == "post") == (attributes["action"] in POSTED)


def test_every_page_has_one_heading_one_main_part_and_a_way_to_skip_to_it(readings: list[Reading]) -> None:
    for reading in readings:
        names = [tag for tag, _ in reading.tags]
        assert names.count("main") == names.count("h1") == names.count("title") == 1
        assert ("a", {"class": "skip", "href": "#main"}) in reading.tags


def test_an_id_stands_once_on_a_page(readings: list[Reading]) -> None:
    for reading in readings:
        ids = [attributes["id"] for _, attributes in reading.tags if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_every_input_has_a_name_people_hear(readings: list[Reading]) -> None:
    for reading in readings:
        labelled = {attributes.get("for") for tag, attributes in reading.tags if tag == "label"}
        for tag, attributes in reading.tags:
            if tag == "input" and attributes.get("type") not in ("hidden", "checkbox"):
                assert attributes.get("aria-label") or attributes.get("id") in labelled


def test_every_picture_has_its_size_and_a_text(readings: list[Reading]) -> None:
    pictures = [attributes for reading in readings for tag, attributes in reading.tags if tag == "img"]
    assert pictures
    assert all(one["width"] and one["height"] and one["alt"] is not None for one in pictures)


def test_the_same_records_give_the_same_bytes(renderer: Renderer) -> None:
    assert list(static_pages(renderer, "word")) == list(static_pages(renderer, "word"))


def test_a_file_name_that_is_no_unicode_costs_no_page(renderer: Renderer) -> None:
    scan = full_scan(text="bad\udcff")
    dataset = full_dataset("word", scan)
    made = dict(renderer.scan_pages(full_beamtime(), scan, dataset))
    content = made["beamtimes/11017404/scans/a_00001/scan.json"]
    assert json.loads(content)["facts"]["title"] == "bad\udcff"
