"""The staff's page and everybody's own: accounts, groups, passwords, the audit log."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from catalog_builder.server import staff

from .conftest import CHEAP, PASSWORD, Running


@pytest.fixture(autouse=True)
def _as_before(running: Running) -> Iterator[None]:
    """Take away whom a test added, and what it failed at."""
    before = {one.name for one in running.catalogue.accounts.all()}
    yield
    for one in running.catalogue.accounts.all():
        if one.name not in before:
            running.catalogue.accounts.remove(one.name)
            if client := running.clients.pop(one.name, None):
                client.close()
    with running.catalogue.database.writing() as db:
        db.execute("DELETE FROM failed_sign_in")


def shown_password(answer: httpx.Response) -> str:
    found = re.search(r'value="([^"]+)" aria-label="The new password"', answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


def test_staff_add_an_account_and_its_password_is_shown_once(running: Running) -> None:
    sam = running.client("sam")
    answer = sam.post("/staff/add", data={"name": " Gerd ", "display": "Gerd G.", "groups": "11017404-clbt, other"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    password = shown_password(answer)
    assert password not in sam.get("/staff").text
    assert password not in sam.get("/staff/log").text
    with running.new_client() as client:
        assert client.post("/sign-in", data={"name": "gerd", "password": password}).status_code == 303
        assert client.get("/api/session").json()["groups"] == ["11017404-clbt", "other"]
    lines = [(one.who, one.action, one.what) for one in running.catalogue.audit.last(3)]
    assert ("sam", "add account", "gerd in 11017404-clbt, other") in lines


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "anna"}, "there is a user 'anna' already"),
        ({"name": "a b"}, "cannot be a user's name"),
        ({"name": ""}, "cannot be a user's name"),
        ({"name": "hugo", "groups": "x" * 200}, "cannot be a group's name"),
    ],
)
def test_an_account_that_cannot_be_says_why(running: Running, data: dict[str, str], said: str) -> None:
    before = running.catalogue.audit.last(1)
    answer = running.client("sam").post("/staff/add", data=data)
    assert answer.status_code == 400
    assert said in unescape(answer.text)
    assert running.catalogue.audit.last(1) == before


def test_groups_that_staff_set_count_at_once_and_leave_others_alone(running: Running) -> None:
    ines = running.new_person("ines", ["11017404-part"])
    running.catalogue.accounts.set_groups("ines", ["from-home"], "house")
    sam = running.client("sam")
    answer = sam.post("/staff/groups", data={"name": "ines", "groups": "11017405-part"})
    assert answer.headers["location"] == "/staff?find=ines#accounts"
    assert [ines.get(f"/beamtimes/{id}/").status_code for id in ("11017404", "11017405")] == [404, 200]
    assert ines.get("/api/session").json()["groups"] == ["11017405-part", "from-home"]
    assert "from-home (house)" in sam.get("/staff?find=ines").text


def test_a_new_password_ends_all_sessions(running: Running) -> None:
    jana = running.new_person("jana", [])
    password = shown_password(running.client("sam").post("/staff/password", data={"name": "jana"}))
    assert jana.get("/api/session").status_code == 401
    with running.new_client() as client:
        assert client.post("/sign-in", data={"name": "jana", "password": PASSWORD}).status_code == 401
        assert client.post("/sign-in", data={"name": "jana", "password": password}).status_code == 303


def test_staff_sign_somebody_out_and_remove_them(running: Running) -> None:
    sam, kurt = running.client("sam"), running.new_person("kurt", [])
    sam.post("/staff/sign-out", data={"name": "kurt"})
    assert kurt.get("/api/session").status_code == 401
    assert sam.post("/staff/remove", data={"name": "kurt"}).status_code == 303
    assert running.catalogue.accounts.find("kurt") is None
    assert sam.post("/staff/remove", data={"name": "kurt"}).status_code == 404
    assert [one.action for one in running.catalogue.audit.last(2)] == ["remove account", "sign out everywhere"]


def test_nobody_removes_their_own_account(running: Running) -> None:
    assert running.client("sam").post("/staff/remove", data={"name": "SAM"}).status_code == 400
    assert running.catalogue.accounts.find("sam") is not None


def test_a_guest_is_put_into_no_group(running: Running) -> None:
    running.catalogue.accounts.add("guest-1", kind="guest")
    answer = running.client("sam").post("/staff/groups", data={"name": "guest-1", "groups": "staff"})
    assert answer.status_code == 400
    assert running.catalogue.accounts.account("guest-1").groups == ()
    assert running.client("sam").post("/staff/password", data={"name": "guest-1"}).status_code == 400


def test_accounts_are_found_by_name_and_by_group(running: Running) -> None:
    sam = running.client("sam")
    found = re.findall(r'<tr><td class="mono">([a-z]+)</td>', sam.get("/staff?find=11017405-DMGT").text)
    assert found == ["bert"]
    assert "No account fits." in sam.get("/staff?find=nobody-at-all").text


def test_staff_revoke_any_invitation(running: Running) -> None:
    made, _ = running.catalogue.invitations.create("11017405", by="bert", label="Kiel")
    sam = running.client("sam")
    assert "Kiel" in sam.get("/staff").text
    assert sam.post("/staff/revoke", data={"id": str(made.id)}).status_code == 303
    assert running.catalogue.invitations.invitation(made.id).revoked is not None
    assert sam.post("/staff/revoke", data={"id": "0"}).status_code == 404


def test_the_log_goes_on_over_pages(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "LINES_A_PAGE", 3)
    for number in range(4):
        running.catalogue.audit.note("test", who="sam", what=f"line-{number}")
    sam = running.client("sam")
    first = sam.get("/staff/log").text
    assert re.findall(r"line-\d", first) == ["line-3", "line-2", "line-1"]
    older = re.search(r'href="(/staff/log\?before=\d+)">Older', first)
    assert older is not None
    assert re.findall(r"line-\d", sam.get(older[1]).text) == ["line-0"]
    assert sam.get("/staff/log?before=x").text == sam.get("/staff/log").text


def test_everybody_sees_who_they_are_and_why_they_see_what(running: Running) -> None:
    text = running.client("anna").get("/account").text
    assert "in the group 11017404-dmgt, which owns the beamtime" in text
    assert 'href="/beamtimes/11017404/access"' in text
    assert "given by the beamline’s staff" in text
    assert 'href="/staff"' not in text
    assert 'href="/staff"' in running.client("sam").get("/account").text
    assert "There is no beamtime you may see yet." in running.client("nora").get("/account").text


def own_password(client: httpx.Client, current: str, new: str, again: str | None = None) -> httpx.Response:
    return client.post("/account/password", data={"current": current, "new": new, "again": again or new})


def test_a_password_is_changed_for_the_old_one_and_other_browsers_are_out(running: Running) -> None:
    lena = running.new_person("lena", [])
    with running.new_client() as other:
        other.post("/sign-in", data={"name": "lena", "password": PASSWORD})
        answer = own_password(lena, PASSWORD, "quite another one")
        assert "Your password is changed." in answer.text
        assert other.get("/api/session").status_code == 401
        assert lena.get("/api/session").status_code == 200
        assert other.post("/sign-in", data={"name": "lena", "password": "quite another one"}).status_code == 303
    line = next(one for one in running.catalogue.audit.last(3) if one.action == "change password")
    assert (line.who, line.via, line.what) == ("lena", "account", "their own")


@pytest.mark.parametrize(
    ("current", "new", "again", "said"),
    [
        ("wrong", "quite another one", None, "The password you have now is not right."),
        (PASSWORD, "quite another one", "quite another two", "not typed twice alike"),
        (PASSWORD, "short", None, "the password is too short"),
    ],
)
def test_a_password_that_cannot_be_changed_says_why(
    running: Running, current: str, new: str, again: str | None, said: str
) -> None:
    client = running.new_person("mara", [])
    answer = own_password(client, current, new, again)
    assert (answer.status_code, said in unescape(answer.text)) == (400, True)
    assert CHEAP.verify(running.catalogue.accounts.password_hash("mara"), PASSWORD)
    assert client.get("/api/session").status_code == 200


def test_guesses_of_the_password_one_has_are_throttled(running: Running) -> None:
    client = running.new_person("olaf", [])
    statuses = [own_password(client, "wrong", "quite another one").status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]


def test_who_has_no_password_has_none_to_change(running: Running) -> None:
    running.catalogue.accounts.add("paul", kind="oidc")
    token = running.catalogue.accounts.open_session("paul")
    with running.new_client() as client:
        client.cookies.set(running.cookie_name, token, domain="127.0.0.1")
        assert "A new password" not in client.get("/account").text
        assert own_password(client, "", "quite another one").status_code == 404
