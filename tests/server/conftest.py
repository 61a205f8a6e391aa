"""A catalogue of two beamtimes, really built, and a server that really listens.

Anna and Bert each belong to one beamtime, Sam is staff, Nora belongs nowhere. Everything a person could have written
into Bert's beamtime is the word ``zanzibar``. A test that takes ``running`` runs on both deployments: the program by
itself, and behind nginx with TLS.
"""

import contextlib
import json
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI

from catalog_builder import config
from catalog_builder.auth.local import LocalPasswords
from catalog_builder.build import build
from catalog_builder.config import Settings
from catalog_builder.report import PlainReporter
from catalog_builder.server import create_app
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.listening import configured, listening
from catalog_builder.server.visitors import Cookie

from .fronting import MISSING, nginx

PASSWORD = "correct horse"
CHEAP = LocalPasswords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""A hash carries its own parameters: what is hashed cheaply is checked cheaply by the real server."""

FIO = """! Comments
%c
{command}
user someone Acquisition started at Thu Feb  5 16:20:16 2026
%p
sample_name = {word}
title = {word}
signalcounter = {word}_roi1
{word} = 1.5
%d
 Col 1 {word} DOUBLE
 Col 2 {word}_roi1 DOUBLE
 0.0 10.0
 1.0 30.0
 2.0 20.0
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""

PEOPLE = {"anna": ["11017404-dmgt"], "bert": ["11017405-dmgt"], "sam": ["staff"], "nora": []}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))


def write_beamtime(root: Path, id: str, word: str, proposal: str, start: str) -> None:
    """Write a beamtime of two scans and two broken files, all of them full of one word."""
    folder = root / "2023" / "data" / id
    said = {
        "beamtimeId": id,
        "proposalId": proposal,
        "proposalType": "I",
        "title": f"The {word} experiment",
        "pi": {"lastname": word},
        "eventStart": start,
    }
    _write(folder / f"beamtime-metadata-{id}.json", json.dumps(said))
    for number in (1, 2):
        text = FIO.format(command=f"ascan {word} 0 2 2 1", word=word)
        _write(folder / "raw" / f"{word}_{number:05}.fio", text)
    _write(folder / "raw" / f"broken_{word}_00009.fio", "%c\n\x00\x00\n%d\n")
    _write(folder / "raw" / f"broken_{word}.nxs", "this is no HDF5")


@dataclass
class Running:
    """A server that listens, and people who ask it."""

    settings: Settings
    port: int
    app: FastAPI
    tls: ssl.SSLContext | None = None
    """How to speak with nginx; None where the program is asked itself."""
    front: Path | None = None
    """Folder of nginx's logs."""
    behind: int | None = None
    """Port of the program behind nginx."""
    plain_port: int | None = None
    """Port of nginx without TLS."""
    clients: dict[str | None, httpx.Client] = field(default_factory=dict)
    invitation: int = 0
    """Number of the invitation by which Gail came, where she is."""

    @property
    def catalogue(self) -> Catalogue:
        return cast(Catalogue, self.app.state.catalogue)

    @property
    def base(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def client(self, name: str | None) -> httpx.Client:
        """Give a browser of somebody, signed in; of somebody signed out for None."""
        if name not in self.clients:
            self.clients[name] = self.new_client()
            if name is not None:
                answer = self.clients[name].post("/sign-in", data={"name": name, "password": PASSWORD})
                assert answer.status_code == 303, answer.text
        return self.clients[name]

    def new_client(self, headers: dict[str, str] | None = None) -> httpx.Client:
        """Give a browser that shows where its requests come from, or that sends other headers."""
        sent = {"Origin": self.base} if headers is None else headers
        return httpx.Client(base_url=self.base, headers=sent, timeout=30, verify=self.tls or False)

    def new_person(self, name: str, groups: list[str]) -> httpx.Client:
        """Add somebody who was not there before, signed in."""
        self.catalogue.accounts.add(name, groups=groups, password_hash=CHEAP.hash(PASSWORD))
        return self.client(name)

    def again(self, settings: Settings) -> AbstractContextManager["Running"]:
        """Run another server of the same kind."""
        return serving(settings) if self.tls is None else serving_behind_nginx(settings)

    @property
    def cookie_name(self) -> str:
        return cast(Cookie, self.app.state.cookie).name

    def token(self, name: str) -> str:
        return self.client(name).cookies[self.cookie_name]

    def pair(self, token: str) -> bytes:
        """Give what a browser sends for a session."""
        return f"{self.cookie_name}={token}".encode()

    def cookie(self, name: str) -> bytes:
        """Give the header a browser sends for somebody."""
        return b"Cookie: " + self.pair(self.token(name))

    def raw(self, target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> "Raw":
        """Send exactly these bytes as a request's target and give the answer; status 0 where none comes."""
        host = b"Host: 127.0.0.1:%d" % self.port
        lines = [method + b" " + target + b" HTTP/1.1", host, b"Connection: close", *headers]
        received = self.exchange(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        head, _, content = received.partition(b"\r\n\r\n")
        status, *rest = head.split(b"\r\n") if head else (b"- 0",)
        kept = sorted(line for line in rest if not line.lower().startswith((b"date:", b"server: nginx")))
        return Raw(int(status.split()[1]), tuple(kept), content)

    def exchange(self, sent: bytes) -> bytes:
        """Send exactly these bytes and give all that comes until the connection ends."""
        received = b""
        with self.connected() as connection, contextlib.suppress(OSError):  # who says too much is hung up on
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            while piece := connection.recv(1 << 16):
                received += piece
        return received

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """Give a connection on which nothing has been said."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain:
            wrapped = plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname="127.0.0.1")
            with wrapped as connection:
                yield connection


@dataclass(frozen=True)
class Raw:
    """An answer as it came, without its date."""

    status: int
    headers: tuple[bytes, ...]
    content: bytes


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a catalogue that has been built."""
    folder = tmp_path_factory.mktemp("site")
    write_beamtime(folder / "data", "11017404", "marmot", "20230412", "2023-10-05T08:00:00+02:00")
    write_beamtime(folder / "data", "11017405", "zanzibar", "20239999", "2023-11-05T08:00:00+02:00")
    path = folder / "site_config.yaml"
    path.write_text(json.dumps({"beamtimes": {"roots": ["data"]}, "executor": "serial"}), encoding="utf-8")
    loaded = config.load(path)
    with (folder / "log").open("w", encoding="utf-8") as log, PlainReporter(log) as reporter:
        build(loaded, reporter)
    return loaded


@contextmanager
def serving(settings: Settings, port: int = 0) -> Iterator[Running]:
    """Run a server on a port of loopback, a free one if not said otherwise."""
    app = create_app(settings)
    server = uvicorn.Server(configured(app, settings))
    with listening("127.0.0.1", port) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running = Running(settings, listener.getsockname()[1], app)
        try:
            yield running
        finally:
            for client in running.clients.values():
                client.close()
            server.should_exit = True
            thread.join()


@contextmanager
def serving_behind_nginx(settings: Settings) -> Iterator[Running]:
    """Run a server behind nginx, as ``deploy/nginx.conf`` says, on a free port of loopback."""
    auth = settings.auth.model_copy(update={"secure_cookies": True})
    server = settings.server.model_copy(update={"accel": True})
    behind = settings.model_copy(update={"auth": auth, "server": server})
    with serving(behind) as alone, nginx(behind.catalogue, alone.port) as front:
        running = Running(behind, front.port, alone.app, front.tls, front.folder, alone.port, front.plain_port)
        try:
            yield running
        finally:
            for client in running.clients.values():
                client.close()


@pytest.fixture(scope="session")
def alone(settings: Settings) -> Iterator[Running]:
    """The server by itself with its people."""
    with serving(settings) as running:
        _people_of(running)
        yield running


@pytest.fixture(scope="session")
def behind_nginx(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server behind nginx with its people; its catalogue is a copy."""
    if MISSING:
        pytest.skip(MISSING)
    assert settings.source is not None
    folder = tmp_path_factory.mktemp("copied") / "site"
    shutil.copytree(settings.source.parent, folder, ignore=shutil.ignore_patterns("state"))
    with serving_behind_nginx(config.load(folder / settings.source.name)) as running:
        _people_of(running)
        yield running


def _people_of(running: Running) -> None:
    for name, groups in PEOPLE.items():
        running.new_person(name, groups)


@pytest.fixture(params=["alone", "nginx"])
def running(request: pytest.FixtureRequest) -> Running:
    """The server with its people, on both deployments."""
    return cast(Running, request.getfixturevalue("alone" if request.param == "alone" else "behind_nginx"))
