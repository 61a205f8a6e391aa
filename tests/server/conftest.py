"""A catalogue of two beamtimes, really built, and a server that really listens.

Anna and Bert each belong to one beamtime, Sam is staff, Nora belongs nowhere. Everything a person could have written
into Bert's beamtime is the word ``zanzibar``.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from catalog_builder.server.listening import listening

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
    clients: dict[str | None, httpx.Client] = field(default_factory=dict)

    @property
    def catalogue(self) -> Catalogue:
        return cast(Catalogue, self.app.state.catalogue)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, name: str | None) -> httpx.Client:
        """Give a browser of somebody, signed in; of somebody signed out for None."""
        if name not in self.clients:
            self.clients[name] = self.new_client()
            if name is not None:
                answer = self.clients[name].post("/sign-in", data={"name": name, "password": PASSWORD})
                assert answer.status_code == 303, answer.text
        return self.clients[name]

    def new_client(self) -> httpx.Client:
        # verify=False: there is no TLS here, and loading the authorities for it takes longer than most tests.
        return httpx.Client(base_url=self.base, headers={"Origin": self.base}, timeout=30, verify=False)

    def new_person(self, name: str, groups: list[str]) -> httpx.Client:
        """Add somebody who was not there before, signed in."""
        self.catalogue.accounts.add(name, groups=groups, password_hash=CHEAP.hash(PASSWORD))
        return self.client(name)

    def token(self, name: str) -> str:
        return self.client(name).cookies["catalogue"]

    def raw(self, target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> "Raw":
        """Send exactly these bytes as a request's target and give the answer."""
        lines = [
            method + b" " + target + b" HTTP/1.1",
            b"Host: 127.0.0.1:%d" % self.port,
            b"Connection: close",
            *headers,
        ]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            received = b""
            while piece := connection.recv(1 << 16):
                received += piece
        head, _, content = received.partition(b"\r\n\r\n")
        status, *rest = head.split(b"\r\n")
        kept = sorted(line for line in rest if not line.lower().startswith(b"date:"))
        return Raw(int(status.split()[1]), tuple(kept), content)


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
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
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


@pytest.fixture(scope="session")
def running(settings: Settings) -> Iterator[Running]:
    """The server with its people."""
    with serving(settings) as running:
        for name, groups in PEOPLE.items():
            running.new_person(name, groups)
        yield running
