"""The server as a process: where it listens, where it refuses to, and how it stops."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_builder import config
from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError
from catalog_builder.server import create_app, serve
from catalog_builder.server.listening import listening, refuse_plain_cookies

PROGRAM = """
import sys
from pathlib import Path
from catalog_builder import config
from catalog_builder.server import serve
serve(config.load(Path(sys.argv[1])), port=0, ready=lambda address: print(address, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    """A site where nothing was ever built."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "site_config.yaml"
    path.write_text(json.dumps({"beamtimes": {"roots": ["data"]}}), encoding="utf-8")
    return config.load(path)


@contextlib.contextmanager
def process(settings: Settings) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the server in a process of its own; gives it with its address."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(settings.source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        try:
            yield running, address
        finally:
            running.kill()


def test_it_answers_and_ends_in_good_order_when_told_to(empty: Settings) -> None:
    with process(empty) as (running, address):
        with urllib.request.urlopen(f"{address}api/health", timeout=30) as answer:
            assert json.load(answer) == {"status": "ok"}
        running.send_signal(signal.SIGTERM)
        told, complaints = running.communicate(timeout=30)
    assert (running.returncode, told, complaints) == (0, "stopped\n", "")


def test_after_a_kill_it_starts_again_with_all_that_was_acknowledged(empty: Settings) -> None:
    with process(empty) as (running, _):
        catalogue = create_app(empty).state.catalogue
        catalogue.accounts.add("anna")
        catalogue.close()
        running.kill()
        running.wait(timeout=30)
    with process(empty) as (_, address):
        with urllib.request.urlopen(f"{address}sign-in", timeout=30) as answer:
            assert answer.status == 200
        catalogue = create_app(empty).state.catalogue
        assert catalogue.accounts.find("anna") is not None
        catalogue.close()


def test_a_taken_port_is_said_in_one_line(empty: Settings) -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CatalogError, match=rf"cannot listen at 127\.0\.0\.1:{port} .*in use.*--port") as caught:
            serve(empty, "127.0.0.1", port)
    assert "\n" not in str(caught.value)


def test_an_address_of_another_machine_is_said_in_one_line(empty: Settings) -> None:
    auth = empty.auth.model_copy(update={"secure_cookies": True})
    secure = empty.model_copy(update={"auth": auth})
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(CatalogError, match=r"no address|cannot listen"):
            serve(secure, host, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "catalogue.example"])
@pytest.mark.parametrize("secure", [None, False])
def test_sessions_never_travel_unprotected(empty: Settings, host: str, secure: bool | None) -> None:
    auth = empty.auth.model_copy(update={"secure_cookies": secure})
    with pytest.raises(CatalogError, match=r"auth\.secure_cookies: .*unprotected.*TLS"):
        serve(empty.model_copy(update={"auth": auth}), host, 0)


@pytest.mark.parametrize(
    ("host", "secure"), [("127.0.0.1", None), ("::1", False), ("localhost", None), ("0.0.0.0", True)]
)
def test_loopback_and_tls_are_fine(host: str, secure: bool | None) -> None:
    refuse_plain_cookies(host, secure)


def test_small_answers_are_sent_at_once(empty: Settings) -> None:
    with listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio turns Nagle's algorithm off for these alone
