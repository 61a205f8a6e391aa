"""What people and programs try: requests that mean two things, floods, guesses, odd files, and what the logs keep."""

import contextlib
import itertools
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from catalog_builder import config
from catalog_builder.accounts import FAILURES_PER_ADDRESS, GUESSES_PER_NAME, Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.build import build
from catalog_builder.database import Database
from catalog_builder.invitations import Invitations
from catalog_builder.report import PlainReporter
from catalog_builder.server.gate import MOST_HEADERS
from catalog_builder.server.listening import configured

from .conftest import CHEAP, PASSWORD, Running, serving, write_beamtime

B = b"11017405"
SMUGGLED = b"GET /beamtimes/11017405/ HTTP/1.1\r\nHost: a\r\nX-Remote-User: sam\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
LENGTH = b"%d" % len(SMUGGLED)

SHAPES = {
    "both lengths": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, swapped": b"Transfer-Encoding: chunked\r\nContent-Length: " + LENGTH + b"\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: " + LENGTH + b"\r\n\r\n",
    "two lengths in one": b"Content-Length: 0, " + LENGTH + b"\r\n\r\n",
    "signed length": b"Content-Length: +0\r\n\r\n",
    "negative length": b"Content-Length: -1\r\n\r\n",
    "length in hexadecimal": b"Content-Length: 0x0\r\n\r\n",
    "blank before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before chunked": b"Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "not chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked and more": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare newlines": b"Transfer-Encoding: chunked\n\n0\n\n",
    "vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "signed chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk extension": b"Transfer-Encoding: chunked\r\n\r\n0;a=\r\n\r\n",
    "trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Remote-User: sam\r\nCookie: a=b\r\n\r\n",
    "nul in a header": b"X: a\x00b\r\n\r\n",
    "lone return": b"X: a\rX-Remote-User: sam\r\n\r\n",
    "nothing": b"\r\n",
}


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_that_means_two_things_gives_nothing(running: Running, shape: str, method: bytes) -> None:
    head = b" /cart/clear HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % running.port
    sent = (
        method
        + head
        + running.cookie("anna")
        + b"\r\n"
        + SHAPES[shape]
        + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    )
    received = running.exchange(sent)
    assert b"zanzibar" not in received
    assert not received or received.split(b" ", 2)[1] in (b"400", b"403", b"405", b"411", b"413", b"501")
    assert running.client("anna").get("/").status_code == 200


NAMES = [
    *("X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Auth-Request-User", "X-Forwarded-Preferred-Username"),
    *("X-WEBAUTH-USER", "X-Authenticated-User", "X-User", "X-Original-URL", "X-Rewrite-URL", "X-Original-URI"),
    *("X-Forwarded-Prefix", "X-Accel-Redirect", "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Host", "Forwarded"),
    *("X-HTTP-Method-Override", "X-Sendfile", "Remote-Groups", "X-Groups"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [b"sam", b"/beamtimes/11017405/", b"/.site/beamtimes/11017405/index.html"])
def test_no_header_says_who_somebody_is_or_which_file_they_get(running: Running, name: str, value: bytes) -> None:
    header = name.encode() + b": " + value
    doubled = name.replace("-", "_").encode() + b": " + value
    anna = running.cookie("anna")
    for headers in ((header,), (header, header), (header, doubled), (header.lower(), header.upper())):
        assert running.raw(b"/beamtimes/11017405/", anna, *headers) == running.raw(b"/nothing", anna)
        assert running.raw(b"/beamtimes/11017405/", *headers).status == 303
        assert b"zanzibar" not in running.raw(b"/", anna, *headers).content


def test_two_hosts_or_another_one_change_nothing_of_who_gets_what(running: Running) -> None:
    anna, own = running.cookie("anna"), b"Host: 127.0.0.1:%d" % running.port
    for hosts in ((own, own), (own, b"Host: evil.example"), (b"Host: evil.example",), (b"Host: a/b",), (b"Host: ",)):
        head = [b"GET /beamtimes/11017405/ HTTP/1.1", *hosts, anna, b"Connection: close", b"", b""]
        received = running.exchange(b"\r\n".join(head))
        assert received.split()[1] in (b"400", b"404", b"421")
        assert b"zanzibar" not in received
        assert b"evil" not in received


def test_too_many_headers_are_refused(running: Running) -> None:
    anna = running.cookie("anna")
    few, many = ([b"X-%d: y" % number for number in range(count)] for count in (MOST_HEADERS - 10, MOST_HEADERS + 1))
    assert running.raw(b"/", anna, *few).status == 200
    assert running.raw(b"/", anna, *many).status == 431
    assert running.raw(b"/api/search", anna, *many).status == 431


def test_a_head_too_large_is_refused_by_the_program_itself(alone: Running) -> None:
    for size in (6000, 60_000):
        assert alone.raw(b"/", *[b"X-%d: %s" % (number, b"y" * size) for number in range(10)]).status in (431, 400)
    assert alone.client("anna").get("/").status_code == 200


def test_requests_that_never_end_hold_up_nobody(running: Running) -> None:
    with contextlib.ExitStack() as open_ones:
        for number in range(80):
            connection = open_ones.enter_context(running.connected())
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-%d: " % number)
        begun = time.monotonic()
        assert running.client("anna").get("/").status_code == 200
        assert running.client(None).get("/api/health").status_code == 200
        assert time.monotonic() - begun < 5


# Odd files where files of the site lie


@pytest.mark.parametrize("name", ["scans/marmot_00001/index.html", "scans/marmot_00001/scan.json"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "dangling", "circle", "link to /etc/passwd"])
def test_what_is_no_file_of_this_beamtime_is_not_there_and_holds_up_nobody(
    running: Running, name: str, kind: str
) -> None:
    site = running.catalogue.places.site / "beamtimes"
    path, kept = site / "11017404" / name, site / "11017404" / f"{name}.kept"
    path.rename(kept)
    try:
        put(path, kind, site / "11017405" / name.replace("marmot", "zanzibar"))
        begun = time.monotonic()
        answer = running.client("anna").get(f"/beamtimes/11017404/{name}")
        assert (answer.status_code, time.monotonic() - begun < 5) == (404, True)
        assert "zanzibar" not in answer.text
    finally:
        path.rmdir() if kind == "folder" else path.unlink()
        kept.rename(path)


def put(path: Path, kind: str, other: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"link": str(other), "dangling": "nowhere", "circle": path.name}.get(kind, "/etc/passwd"))


WAYS = ["external link", "soft link to one", "virtual dataset", "external storage", "symbolic link"]


def pointing(path: Path, way: str, target: Path) -> None:
    """Write a scan of A whose counts lie in a file of B, by one of the ways in which HDF5 or the disk can say so."""
    if way == "symbolic link":
        path.symlink_to(target)
        return
    with h5py.File(path, "w") as file:
        file.attrs["NX_class"] = "NXroot"
        entry, data = file.create_group("entry"), file.create_group("entry/data")
        entry.attrs["NX_class"], data.attrs["NX_class"] = "NXentry", "NXdata"
        data.attrs["signal"], data.attrs["axes"] = "counts", ["x"]
        data["x"] = np.arange(3.0)
        if way == "external link":
            data["counts"] = h5py.ExternalLink(str(target), "/secret")
            entry["title"] = h5py.ExternalLink(str(target), "/words")
        elif way == "soft link to one":
            file["outside"] = h5py.ExternalLink(str(target), "/")
            data["counts"] = h5py.SoftLink("/outside/secret")
            entry["title"] = h5py.SoftLink("/outside/words")
        elif way == "virtual dataset":
            layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
            layout[:] = h5py.VirtualSource(str(target), "secret", shape=(3,))
            data.create_virtual_dataset("counts", layout)
        else:
            data.create_dataset("counts", (3,), "f8", external=[(str(target.with_suffix(".raw")), 0, 24)])


@pytest.mark.parametrize("way", WAYS)
def test_what_a_file_says_lies_in_anothers_beamtime_is_nowhere(tmp_path: Path, way: str) -> None:
    secret = 7654321.0
    for id, word in (("11017404", "marmot"), ("11017405", "zanzibar")):
        write_beamtime(tmp_path / "data", id, word, "20230412", "2023-10-05T08:00:00+02:00")
    raw, other = (tmp_path / "data" / "2023" / "data" / id / "raw" for id in ("11017404", "11017405"))
    with h5py.File(other / "source.nxs", "w") as file:
        file["secret"], file["words"] = np.full(3, secret), "zanzibar"
    (other / "source.raw").write_bytes(np.full(3, secret).tobytes())
    pointing(raw / "pointing_00007.nxs", way, other / "source.nxs")
    for path in (raw / "pointing_00007.nxs", other / "source.nxs"):
        os.utime(path, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    site = tmp_path / "site_config.yaml"
    site.write_text('{"beamtimes": {"roots": ["data"]}, "executor": "serial"}')
    settings = config.load(site)
    with (tmp_path / "log").open("w") as log, PlainReporter(log) as reporter:
        build(settings, reporter)
    with serving(settings) as running:
        anna = running.new_person("anna", ["11017404-dmgt"])
        hits = anna.get("/api/search?level=scan&per_page=100").json()["hits"]
        addresses = [hit["address"] + name for hit in hits for name in ("", "scan.json", "curve.json")]
        anna.post("/api/cart", json={"add": [hit["key"] for hit in hits]})
        told = b"".join(anna.get(address).content for address in [*addresses, "/status", "/search", "/cart/download"])
    assert b"marmot_00001" in told
    assert not any(word in told for word in (b"7654321", b"zanzibar", np.float64(secret).tobytes()))


# Guesses


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_of_ten_thousand_passwords_for_a_name_few_are_looked_at_in_a_day(tmp_path: Path) -> None:
    clock, looked_at = Clock(), 0
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        accounts = Accounts(database, clock=clock)
        accounts.add("anna", password_hash=CHEAP.hash(PASSWORD))
        for number in range(10_000):
            clock.now += timedelta(days=1) / 10_000
            looked_at += accounts.begin_attempt("anna", f"192.0.2.{number % 250}") is None
    assert GUESSES_PER_NAME <= looked_at <= GUESSES_PER_NAME * 25


def test_of_ten_thousand_names_from_an_address_few_are_looked_at_in_an_hour(tmp_path: Path) -> None:
    clock = Clock()
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        accounts = Accounts(database, clock=clock)
        tried = [accounts.begin_attempt(f"name{number}", "192.0.2.1") for number in range(10_000)]
    assert sum(wait is None for wait in tried) == FAILURES_PER_ADDRESS


def test_ten_thousand_guessed_tokens_open_nothing_and_leave_nothing(tmp_path: Path) -> None:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        accounts = Accounts(database)
        invitations = Invitations(database, accounts)
        invitation, token = invitations.create("11017404", by="sam", devices=1)
        near = (f"{token[:place]}{'A' if token[place] != 'A' else 'B'}{token[place + 1 :]}" for place in range(43))
        guesses = itertools.chain(near, (f"{number:043}" for number in range(9_957)))
        assert {invitations.redeem(guess, stated_name="x") for guess in guesses} == {None}
        assert {accounts.session(f"{number:043}") for number in range(1000)} == {None}
        assert (invitations.invitation(invitation.id).used, accounts.all()) == (0, [])
        assert invitations.redeem(token, stated_name="Gail") is not None


def test_hundreds_of_guesses_get_one_answer_for_names_that_are_there_and_not(running: Running) -> None:
    accounts = running.catalogue.accounts
    accounts.add("there", password_hash=CHEAP.hash(PASSWORD))
    told: dict[str, list[tuple[int, str]]] = {}
    with running.new_client() as client:
        for name in ("there", "nott"):
            for _ in range(110):
                answer = client.post("/sign-in", data={"name": name, "password": "wrong"})
                text = answer.text.replace(name, "*")
                told.setdefault(name, []).append((answer.status_code, text))
            accounts.forgive_attempts(name, "127.0.0.1")
    accounts.remove("there")
    assert told["there"] == told["nott"]
    assert sum(status == 401 for status, _ in told["there"]) == 10


def test_a_name_nobody_has_takes_as_long(tmp_path: Path) -> None:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        accounts = Accounts(database)
        accounts.add("anna", password_hash=LOCAL.hash(PASSWORD))
        took: dict[str, list[float]] = {"anna": [], "nobody": []}
        for _ in range(3):
            for name, times in took.items():
                begun = time.thread_time()
                assert LOCAL.identify(accounts, {"name": name, "password": "wrong"}) is None
                times.append(time.thread_time() - begun)
    known, unknown = (min(times) for times in took.values())
    assert 0.5 < known / unknown < 2


# A month of use, and what is noted of it


def test_29_days_of_daily_use_sign_nobody_out(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    clock.now = datetime.now(UTC)
    monkeypatch.setattr(running.catalogue.accounts, "_clock", clock)
    with running.new_client() as client:
        client.post("/sign-in", data={"name": "anna", "password": PASSWORD})
        client.post("/api/cart", json={"add": ["scan:11017404/marmot_00001"]})
        for _ in range(29):
            clock.now += timedelta(days=1)
            assert client.get("/beamtimes/11017404/").status_code == 200
        clock.now += timedelta(days=29)
        assert client.get("/api/cart").json()["keys"] == ["scan:11017404/marmot_00001"]
        clock.now += timedelta(days=31)
        answer = client.get("/cart")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/cart")
    running.catalogue.carts.clear("anna")


def test_a_whole_session_leaves_no_secret_in_any_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    invitation, link = running.catalogue.invitations.create("11017404", by="sam")
    with running.new_client() as client:
        client.post("/sign-in", data={"name": "a-secret-as-name", "password": "a-secret-password"})
        client.post("/sign-in?password=a-secret-in-the-address", data={"name": "anna", "password": PASSWORD})
        token = client.cookies[running.cookie_name]
        for address in ("/", "/cart", "/search?q=a-secret-search", "/api/session", "/nothing", "/beamtimes/11017405/"):
            client.get(address, headers={"Authorization": "Bearer a-secret-bearer"})
        client.post("/cart/add", data={"key": "a-secret-key"})
        client.post("/api/cart", content=b"{a-secret-body", headers={"Content-Type": "application/json"})
        redeemed = running.catalogue.invitations.redeem(link, stated_name="Gail")
        assert redeemed is not None
        client.post("/sign-out", data={"everywhere": ""})
    running.catalogue.invitations.revoke(invitation.id)
    silent = (
        "httpx",
        "httpcore",
        "uvicorn.access",
    )  # of the test itself, and what is written nowhere (pytest hears it)
    assert configured(running.app, running.settings).access_log is False
    ours = [record for record in caplog.records if not record.name.startswith(silent)]
    said = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in ours)
    said += "".join(str(entry) for entry in running.catalogue.audit.last(100))
    if running.front is not None:
        said += (running.front / "access.log").read_text() + (running.front / "error.log").read_text()
    assert "anna signed in" in said
    assert not [secret for secret in (token, link, PASSWORD, "a-secret") if secret in said]
