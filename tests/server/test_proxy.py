"""A proxy in front that names who asks: over a Unix socket, or with a secret; and everybody else who tries."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from catalog_builder import config
from catalog_builder.config import ProxySettings, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.server import create_app, serve

from .conftest import CHEAP, PASSWORD, Running, serving

CATBUILD = [sys.executable, "-W", "error", "-c", "from catalog_builder.cli import main; main()"]
SECRET = "a secret of the proxy"
ANNAS, BERTS = "/beamtimes/11017404/", "/beamtimes/11017405/"


@pytest.fixture(scope="module")
def apart(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a catalogue with the same pages and people of its own, behind a proxy with a secret."""
    folder = tmp_path_factory.mktemp("apart")
    shutil.copytree(settings.catalogue, folder / "catalogue", ignore=shutil.ignore_patterns("state"))
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET, encoding="utf-8")
    proxy = ProxySettings(groups_header="X-Remote-Groups", secret_file=secret)
    auth = settings.auth.model_copy(update={"methods": ("proxy", "local"), "proxy": proxy})
    return settings.model_copy(update={"catalogue": folder / "catalogue", "auth": auth})


@pytest.fixture(scope="module")
def site(apart: Settings) -> Iterator[Running]:
    with serving(apart) as running:
        running.catalogue.accounts.add("anna", groups=["11017404-dmgt"], password_hash=CHEAP.hash(PASSWORD))
        yield running


def named(user: str, groups: str = "", secret: str = SECRET) -> dict[str, str]:
    return {"X-Remote-User": user, "X-Remote-Groups": groups, "X-Proxy-Secret": secret}


def test_each_request_is_that_persons_without_any_cookie(site: Running) -> None:
    with site.new_client() as client:
        for _ in range(2):
            answer = client.get(BERTS, headers=named("bert", "11017405-dmgt"))
            assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
        assert client.get(ANNAS, headers=named("bert", "11017405-dmgt")).status_code == 404
        assert client.get(BERTS).status_code == 303
        told = client.get("/api/session", headers=named("bert", "11017405-dmgt")).json()
        assert (told["name"], told["groups"]) == ("bert", ["11017405-dmgt"])
    account = site.catalogue.accounts.account("bert")
    assert account.kind == "proxy"
    assert [entry.who for entry in site.catalogue.audit.last() if entry.what == "proxy: new here"].count("bert") == 1


def test_groups_are_what_the_proxy_says_with_this_request_beside_those_given_here(site: Running) -> None:
    with site.new_client() as client:
        assert client.get(ANNAS, headers=named("carl", "11017404-dmgt")).status_code == 200
        site.catalogue.accounts.set_groups("carl", ["11017405-dmgt"])
        assert client.get(BERTS, headers=named("carl", "11017404-dmgt")).status_code == 200
        assert client.get(ANNAS, headers=named("carl")).status_code == 404
        assert client.get(BERTS, headers=named("carl")).status_code == 200


def test_a_local_account_is_not_taken_for_its_name(site: Running) -> None:
    with site.new_client() as client:
        assert client.get("/api/session", headers=named("anna")).json()["name"] == "anna-2"
        assert client.get(ANNAS, headers=named("anna")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        [b"X-Remote-User: anna-2"],
        [b"X-Remote-User: anna-2", b"X-Proxy-Secret: wrong"],
        [b"X-Remote-User: anna-2", b"X-Proxy-Secret: " + SECRET.encode(), b"X-Proxy-Secret: wrong"],
        [b"X-Remote-User: anna-2", b"X-Remote-User: sam", b"X-Proxy-Secret: " + SECRET.encode()],
        [b"X-Remote-User: anna-2, sam", b"X-Proxy-Secret: wrong"],
        [b"x_remote_user: anna-2", b"X-Proxy-Secret: " + SECRET.encode()],
    ],
)
def test_headers_that_are_doubled_or_not_proven_name_nobody(site: Running, headers: list[bytes]) -> None:
    assert site.raw(b"/", *headers).status == 303


def test_headers_that_are_not_believed_take_no_session_away(site: Running) -> None:
    assert site.client("anna").get("/api/session", headers=named("bert", secret="wrong")).json()["name"] == "anna"


def test_requests_of_other_sites_change_nothing_for_who_is_named(site: Running) -> None:
    with httpx.Client(base_url=site.base) as client:
        for origin in ("https://evil.example", "null"):
            answer = client.post("/cart/clear", headers={**named("bert"), "Origin": origin})
            assert answer.status_code == 403
        assert client.post("/cart/clear", headers={**named("bert"), "Origin": site.base}).status_code == 303


def test_who_is_named_cannot_sign_out_here_and_is_told(site: Running) -> None:
    with site.new_client() as client:
        answer = client.post("/sign-out", headers=named("bert"))
    assert answer.status_code == 200
    assert "You cannot sign out here" in answer.text


# Over a Unix socket


@contextmanager
def at_socket(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Serve an empty site at a socket, by the command; gives the process and the socket."""
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "site_config.yaml"
    document = {
        "beamtimes": {"roots": ["data"]},
        "server": {"public_address": "http://127.0.0.1:8008", "socket": "elsewhere"},
        "auth": {"methods": ["proxy"]},
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    command = [*CATBUILD, "serve", "--config", str(path), "--socket", str(folder / "socket")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == f"serving at {folder / 'socket'}\n"
        try:
            yield server, folder / "socket"
        finally:
            server.kill()


def test_over_a_socket_that_the_proxy_alone_can_use_its_header_is_enough(tmp_path: Path) -> None:
    with at_socket(tmp_path) as (server, path):
        assert path.stat().st_mode & 0o777 == 0o660
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://127.0.0.1:8008") as client:
            assert client.get("/").status_code == 303
            told = client.get("/api/session", headers={"X-Remote-User": "bert"})
            assert told.json()["name"] == "bert"
            client.post("/sign-out", headers={"X-Remote-User": "bert", "Origin": "http://127.0.0.1:8008"})
        server.send_signal(signal.SIGTERM)
        _, complaints = server.communicate(timeout=30)
        assert (server.returncode, "Traceback" in complaints, "Warning" in complaints) == (0, False, False)
        assert "bert is new here, known to proxy" in complaints
        assert not path.exists()


def test_a_socket_left_by_a_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with at_socket(tmp_path) as (server, path):
        server.kill()
        server.wait(30)
        assert path.exists()
    with at_socket(tmp_path) as (_, path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def behind(settings: Settings, path: Path) -> Settings:
    server = {"socket": path, "public_address": "http://127.0.0.1:8008"}
    return settings.model_copy(update={"server": settings.server.model_copy(update=server)})


def test_a_place_that_is_taken_is_refused(apart: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    with pytest.raises(CatalogError, match="file is taken; stop what listens there"):
        serve(behind(apart, tmp_path / "file"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "busy"))
        other.listen()
        with pytest.raises(CatalogError, match="busy is taken"):
            serve(behind(apart, tmp_path / "busy"))
    with pytest.raises(CatalogError, match="cannot listen at"):
        serve(behind(apart, tmp_path / "nothing" / "socket"))
    with pytest.raises(CatalogError, match="cannot listen at"):
        serve(behind(apart, tmp_path / ("x" * 200)))


def test_at_a_port_after_all_the_header_needs_a_secret(apart: Settings, tmp_path: Path) -> None:
    bare = apart.model_copy(update={"auth": apart.auth.model_copy(update={"proxy": ProxySettings()})})
    with pytest.raises(CatalogError, match="anybody could write the proxy's header"):
        serve(behind(bare, tmp_path / "socket"), port=0)
    with pytest.raises(CatalogError, match="anybody could write the proxy's header"):
        create_app(bare)


def test_cookies_do_not_travel_unprotected_behind_a_proxy_either(apart: Settings, tmp_path: Path) -> None:
    server = apart.server.model_copy(update={"socket": tmp_path / "socket"})
    with pytest.raises(CatalogError, match="sessions would travel unprotected"):
        serve(apart.model_copy(update={"server": server}))
    assert not (tmp_path / "socket").exists()


def test_a_socket_and_a_port_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "site_config.yaml").write_text("beamtimes: {roots: [data]}", encoding="utf-8")
    assert config.load(tmp_path / "site_config.yaml").server.socket is None
    command = [*CATBUILD, "serve", "--config", str(tmp_path / "site_config.yaml"), "--socket", "x", "--port", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        "catbuild: --socket stands in place of --host and --port; give one or the other\n",
    )
