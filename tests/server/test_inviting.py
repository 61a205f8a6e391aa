"""Invitations from the link to the beamtime's page and back out, and who may make, see and end them."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx
import pytest

from catalog_builder.accounts import FAILURES_PER_INVITED_ADDRESS
from catalog_builder.names import page_address
from catalog_builder.server import crawling
from catalog_builder.server.inviting import OPENS_NOTHING

from .conftest import PASSWORD, Running

MINE, OTHER = "11017404", "11017405"
PAGE = f"/beamtimes/{MINE}/"
ACCESS = f"/beamtimes/{MINE}/access"
TOKEN = re.compile(r"/invited#([A-Za-z0-9_-]{43})")


@pytest.fixture
def guest(running: Running) -> Iterator[httpx.Client]:
    """Give a browser of somebody who was never here."""
    with running.new_client() as client:
        yield client


@pytest.fixture(autouse=True)
def _as_before(running: Running) -> Iterator[None]:
    """Take back invitations, openings and failed attempts, which all tests share."""
    yield
    for one in running.catalogue.invitations.all():
        running.catalogue.invitations.revoke(one.id)
    for opening in running.catalogue.opening_days.all():
        running.catalogue.opening_days.close(opening.beamtime)
    with running.catalogue.database.writing() as db:
        db.execute("DELETE FROM failed_sign_in")


def invited(running: Running, **more: str) -> tuple[int, str]:
    """Let Anna, whose beamtime it is, make an invitation; gives its number and token."""
    data = {"label": "Kiel", "gives": "read", "days": "3", "devices": "2", **more}
    answer = running.client("anna").post(f"{ACCESS}/invite", data=data)
    assert answer.status_code == 200, answer.text
    found = TOKEN.search(answer.text)
    assert found is not None
    return running.catalogue.invitations.all()[0].id, found[1]


def test_a_link_lets_somebody_without_an_account_see_one_beamtime(running: Running, guest: httpx.Client) -> None:
    _, token = invited(running)
    answer = guest.post("/invited", data={"token": token, "name": "Nadja K."})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert guest.get(PAGE).status_code == 200
    assert guest.get(f"/beamtimes/{OTHER}/").status_code == 404
    assert guest.get(ACCESS).status_code == 404
    assert guest.get(f"/api/access/{MINE}").json() == {
        "beamtime": MINE,
        "roles": ["read"],
        "because": ["invited to the beamtime"],
    }
    assert guest.get("/api/session").json()["display"] == "Nadja K."


def test_what_stands_behind_the_hash_may_be_pasted_with_the_whole_link(running: Running, guest: httpx.Client) -> None:
    _, token = invited(running)
    answer = guest.post("/invited", data={"token": f"  {running.base}/invited#{token} \n"})
    assert answer.headers["location"] == PAGE


def test_an_invitation_revoked_is_out_at_the_next_request(running: Running, guest: httpx.Client) -> None:
    id, token = invited(running)
    guest.post("/invited", data={"token": token})
    assert guest.get(PAGE).status_code == 200
    answer = running.client("anna").post(f"{ACCESS}/revoke", data={"id": str(id)})
    assert answer.headers["location"] == f"{ACCESS}#invitations"
    assert guest.get(PAGE).status_code == 303
    assert guest.get("/api/session").status_code == 401


def test_a_guest_who_is_out_stays_who_they_were_with_the_next_invitation(running: Running, guest: httpx.Client) -> None:
    first, token = invited(running, gives="download")
    guest.post("/invited", data={"token": token, "name": "Nadja"})
    name = guest.get("/api/session").json()["name"]
    guest.post("/api/cart", json={"add": ["dataset:11017404/marmot"]})
    running.catalogue.invitations.revoke(first)
    assert guest.get(PAGE).status_code == 303
    assert "Please sign in again" in guest.get("/sign-in").text
    _, token = invited(running, gives="download")
    answer = guest.post("/invited", data={"token": token})
    assert "set-cookie" not in answer.headers
    session = guest.get("/api/session").json()
    assert (session["name"], session["cart"]) == (name, 1)


def test_a_second_invitation_adds_to_the_same_guest(running: Running, guest: httpx.Client) -> None:
    _, token = invited(running)
    guest.post("/invited", data={"token": token})
    data = {"gives": "read", "days": "1", "devices": "1"}
    other = running.client("bert").post(f"/beamtimes/{OTHER}/access/invite", data=data)
    again = TOKEN.search(other.text)
    assert again is not None
    before = len(running.catalogue.accounts.all())
    assert guest.post("/invited", data={"token": again[1]}).headers["location"] == f"/beamtimes/{OTHER}/"
    assert len(running.catalogue.accounts.all()) == before
    assert [guest.get(f"/beamtimes/{id}/").status_code for id in (MINE, OTHER)] == [200, 200]


def test_an_account_that_is_signed_in_gains_what_the_invitation_gives(running: Running) -> None:
    erik = running.new_person("erik", [])
    _, token = invited(running, gives="curate")
    assert erik.get(PAGE).status_code == 404
    assert "You are signed in as" in erik.get("/invited").text
    erik.post("/invited", data={"token": token})
    assert erik.get(f"/api/access/{MINE}").json()["roles"] == ["read", "download", "curate"]
    assert erik.get("/api/session").json()["name"] == "erik"


def test_whatever_is_the_matter_with_an_invitation_the_answer_is_the_same(running: Running) -> None:
    revoked, first = invited(running)
    running.catalogue.invitations.revoke(revoked)
    _, used_up = invited(running, devices="1")
    with running.new_client() as other:
        assert other.post("/invited", data={"token": used_up}).status_code == 303
    made, over = invited(running)
    with running.catalogue.database.writing() as db:
        db.execute("UPDATE invitation SET expires = ? WHERE id = ?", (int(datetime.now(UTC).timestamp()), made))
    answers = []
    for token in (first, used_up, over, "x" * 43, "", "\udcff\x00", "a" * 5000):
        with running.new_client() as client:
            answer = client.post("/invited", data={"token": token.encode("utf-8", "surrogatepass")})
            assert "set-cookie" not in answer.headers
            assert token == "" or token not in answer.text
            answers.append((answer.status_code, answer.text))
    assert {status for status, _ in answers} == {403}
    assert len(set(answers)) == 1
    assert OPENS_NOTHING in answers[0][1]


def test_a_token_is_on_no_page_and_in_no_log(
    running: Running, guest: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        _, token = invited(running)
        guest.post("/invited", data={"token": token, "name": "Nadja"})
    assert token not in caplog.text
    assert token not in str(running.catalogue.audit.last(20))
    sam, anna = running.client("sam"), running.client("anna")
    for client, address in ((anna, ACCESS), (sam, "/staff"), (sam, "/staff/log"), (guest, "/account"), (guest, PAGE)):
        assert token not in client.get(address).text
    kept = running.catalogue.database.rows("SELECT * FROM invitation")
    assert token not in str([tuple(row) for row in kept])


def test_who_came_is_listed_under_the_name_they_gave_as_unverified(running: Running, guest: httpx.Client) -> None:
    id, token = invited(running)
    guest.post("/invited", data={"token": token, "name": "The Queen"})
    text = running.client("anna").get(ACCESS).text
    assert re.search(r"The Queen <span class=\"soft\">\(unverified\)", text)
    assert "1 of 2" in text
    line = running.catalogue.audit.last(1)[0]
    assert (line.via, line.action, line.address) == ("invitation", "redeem", "127.0.0.1")
    assert line.what == f'invitation {id} to beamtime {MINE}, says to be "The Queen"'
    assert line.who.startswith("guest-")


def test_guesses_are_throttled_by_address_and_hold_up_no_sign_in(running: Running, guest: httpx.Client) -> None:
    _, token = invited(running)
    for number in range(FAILURES_PER_INVITED_ADDRESS):
        assert guest.post("/invited", data={"token": f"{number:043d}"}).status_code == 403
    answer = guest.post("/invited", data={"token": token})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
    assert "There were too many attempts" in answer.text
    assert guest.post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303


def test_another_site_can_redeem_nothing(running: Running) -> None:
    _, token = invited(running)
    with running.new_client() as client:
        answer = client.post("/invited", data={"token": token}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert OPENS_NOTHING not in answer.text
    assert running.catalogue.invitations.all()[0].used == 0


def test_a_new_link_is_shown_once_with_a_picture_of_it(running: Running) -> None:
    answer = running.client("anna").post(
        f"{ACCESS}/invite", data={"label": "<b>", "gives": "download", "days": "3", "devices": "2"}
    )
    assert answer.headers["cache-control"] == "no-store"
    link = re.search(r'data-copy="([^"]*)"', answer.text)
    assert link is not None
    assert unescape(link[1]).startswith(f"{running.base}/invited#")
    assert re.search(r'<img class="qr" src="data:image/png;base64,[\w+/=]{200,}" width="\d+"', answer.text)
    assert "<b>" not in answer.text.partition("<h2")[2].partition("Who opens it")[0]
    assert TOKEN.search(running.client("anna").get(ACCESS).text) is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("days", "0", "cannot hold for 0 days"),
        ("days", "4000", "cannot hold for 4000 days"),
        ("days", "nan", "is no number of days"),
        ("devices", "9999", "cannot be for 9999 devices"),
        ("devices", "", "is no number of devices"),
        ("gives", "administer", "cannot give"),
        ("label", "x" * 300, "the label is too long"),
    ],
)
def test_a_form_filled_in_wrongly_says_what_is_wrong(running: Running, field: str, value: str, said: str) -> None:
    before = running.catalogue.invitations.all()
    data = {"label": "Kiel", "gives": "read", "days": "3", "devices": "2", field: value}
    answer = running.client("anna").post(f"{ACCESS}/invite", data=data)
    assert answer.status_code == 400
    assert said in unescape(answer.text)
    assert running.catalogue.invitations.all() == before


def test_an_invitation_to_another_beamtime_is_not_there_to_be_revoked(running: Running) -> None:
    data = {"gives": "read", "days": "1", "devices": "1"}
    running.client("bert").post(f"/beamtimes/{OTHER}/access/invite", data=data)
    theirs = running.catalogue.invitations.all()[0]
    answers = [running.client("anna").post(f"{ACCESS}/revoke", data={"id": id}) for id in (str(theirs.id), "0", "x")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert running.catalogue.invitations.invitation(theirs.id).revoked is None


def test_the_page_says_which_groups_and_people_see_the_beamtime(running: Running) -> None:
    text = running.client("anna").get(ACCESS).text
    assert "owns the beamtime" in text
    assert "is staff" in text
    assert "in the group 11017404-dmgt, which owns the beamtime" in text
    assert ">bert<" not in text
    assert ">nora<" not in text


def test_staff_open_a_beamtime_and_close_it_again(running: Running, guest: httpx.Client) -> None:
    sam = running.client("sam")
    assert guest.get(PAGE).status_code == 303
    assert sam.post(f"{ACCESS}/open", data={"day": ""}).status_code == 303
    assert guest.get(PAGE).status_code == 200
    assert guest.get(ACCESS).status_code == 404
    assert "open to everybody</b> since" in sam.get(ACCESS).text
    assert "see them without signing in" in guest.get("/sign-in").text
    assert sam.post(f"{ACCESS}/close").status_code == 303
    assert guest.get(PAGE).status_code == 303
    assert [one.action for one in running.catalogue.audit.last(2)] == ["close", "open"]


def test_until_its_day_a_beamtime_is_under_embargo(running: Running, guest: httpx.Client) -> None:
    sam = running.client("sam")
    day = datetime.now(UTC) + timedelta(days=40)
    sam.post(f"{ACCESS}/open", data={"day": f"{day:%Y-%m-%d}"})
    assert guest.get(PAGE).status_code == 303
    assert f"opens to everybody on <b>{day:%Y-%m-%d} 00:00" in sam.get(ACCESS).text
    assert MINE not in guest.get("/sitemap.xml").text
    answer = sam.post(f"{ACCESS}/open", data={"day": "tomorrow"})
    assert (answer.status_code, "is no day" in answer.text) == (400, True)


def test_who_leads_a_beamtime_does_not_open_it(running: Running) -> None:
    anna = running.client("anna")
    assert [anna.post(f"{ACCESS}/{deed}").status_code for deed in ("open", "close")] == [404, 404]
    assert not running.catalogue.is_open(MINE)
    assert f'action="{ACCESS}/open"' not in anna.get(ACCESS).text


def test_search_engines_are_told_of_open_beamtimes_alone(running: Running, guest: httpx.Client) -> None:
    assert guest.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    assert "<url>" not in guest.get("/sitemap.xml").text
    running.catalogue.opening_days.open(MINE, "sam")
    running.catalogue.opening_days.open("99999999", "sam")
    robots, sitemap = guest.get("/robots.txt").text, guest.get("/sitemap.xml")
    assert f"Allow: {PAGE}\n" in robots
    assert robots.endswith(f"Sitemap: {running.base}/sitemap.xml\n")
    assert re.findall("<loc>(.*?)</loc>", sitemap.text) == [
        f"{running.base}{address}" for address in (PAGE, page_address("dataset:11017404/marmot"))
    ]
    assert sitemap.headers["content-type"].startswith("application/xml")
    for text in (robots, sitemap.text):
        assert not any(word in text for word in (OTHER, "zanzibar", "99999999"))


def test_a_sitemap_too_long_names_beamtimes_before_datasets(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawling, "MOST_ADDRESSES", 2)
    for id in (MINE, OTHER):
        running.catalogue.opening_days.open(id, "sam")
    with running.new_client() as client:
        told = re.findall("<loc>(.*?)</loc>", client.get("/sitemap.xml").text)
    assert told == [f"{running.base}/beamtimes/{id}/" for id in (OTHER, MINE)]


def test_the_address_that_is_set_stands_in_links(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    server = running.settings.server.model_copy(update={"public_address": "https://catalogue.example.org"})
    monkeypatch.setattr(running.catalogue, "settings", running.settings.model_copy(update={"server": server}))
    answer = running.client("anna").post(f"{ACCESS}/invite", data={"gives": "read", "days": "3", "devices": "2"})
    assert 'value="https://catalogue.example.org/invited#' in answer.text


def test_who_was_signed_in_is_asked_to_sign_in_again_and_comes_back(running: Running) -> None:
    frank = running.new_person("frank", [f"{MINE}-part"])
    assert frank.get(PAGE).status_code == 200
    running.catalogue.accounts.sign_out_everywhere("frank")
    answer = frank.get(PAGE)
    assert answer.headers["location"] == f"/sign-in?next={PAGE}"
    page = frank.get(answer.headers["location"]).text
    assert "<h1>Please sign in again</h1>" in page
    assert f'name="next" value="{PAGE}"' in page
    with running.new_client() as client:
        assert "<h1>Sign in</h1>" in client.get(answer.headers["location"]).text
