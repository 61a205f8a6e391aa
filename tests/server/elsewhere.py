"""A real OpenID provider (npm ``oidc-provider``), a man in the middle before it, and people who sign in there."""

import contextlib
import html
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

SCRIPT = Path(__file__).with_name("provider.mjs")
PACKAGE = "oidc-provider@^9"
SECRET = "a secret: 100% of it + more"
"""Signs that a form writes otherwise: both sides must agree how."""

PEOPLE: dict[str, dict[str, Any]] = {
    "s-anna": {"preferred_username": "Anna", "email": "anna@facility.example", "name": "Anna A.", "groups": []},
    "s-otto": {
        "preferred_username": "otto",
        "email": "otto@facility.example",
        "name": "Otto O.",
        "groups": ["/11017404-dmgt", "two words", 7],
        "realm_access": {"roles": ["beamline"]},
    },
}

Answer = tuple[int, bytes]
Change = Callable[[str, int, bytes], Answer | None]
"""Makes another answer of one, by its path; None for none at all."""


def unchanged(_: str, status: int, content: bytes) -> Answer:
    return status, content


class Middle(ThreadingHTTPServer):
    """Stands before the provider, under whose address the world knows it, and can change what it answers."""

    daemon_threads = True

    def __init__(self, provider_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.provider_port = provider_port
        self.change: Change = unchanged
        self.asked: list[str] = []
        """Paths that were asked."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who hangs up."""


class _Passing(BaseHTTPRequestHandler):
    server: Middle

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        inner = HTTPConnection("127.0.0.1", self.server.provider_port, timeout=30)
        with contextlib.closing(inner):
            inner.request(self.command, self.path, body, dict(self.headers))
            answer = inner.getresponse()
            content = answer.read()
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        changed = self.server.change(path, answer.status, content)
        self.close_connection = True
        if changed is None:
            return
        self.send_response(changed[0])
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "keep-alive"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(changed[1])))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(changed[1])

    do_GET = do_POST = _pass  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass
class Elsewhere:
    """The provider as a test sees it."""

    middle: Middle
    key: RSAKey
    """What it signs ID tokens with."""
    people_file: Path
    client_port: int
    """Where the catalogue it knows listens."""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.middle.base

    def know(self, people: dict[str, dict[str, Any]]) -> None:
        """Let it know these people from now on."""
        self.people = people
        self.people_file.write_text(json.dumps(people), encoding="utf-8")

    def through(self, client: httpx.Client, address: str, subject: str, *, cancel: bool = False) -> str:
        """Go through the provider's pages as somebody; gives the address it sends them back to."""
        for _ in range(20):
            answer = client.get(address)
            if answer.status_code == 200:
                address = self._filled_in(client, answer, subject, cancel=cancel)
            else:
                address = urljoin(address, answer.headers["location"])
            if not address.startswith(self.issuer):
                return address
        raise AssertionError("the provider goes round in circles")

    def _filled_in(self, client: httpx.Client, page: httpx.Response, subject: str, *, cancel: bool) -> str:
        if cancel:
            found = re.search(r'href="([^"]+/abort)"', page.text)
            assert found is not None, page.text
            return urljoin(str(page.url), html.unescape(found[1]))
        action = re.search(r'action="([^"]+)"', page.text)
        prompt = re.search(r'name="prompt" value="([^"]+)"', page.text)
        assert action is not None, page.text
        assert prompt is not None, page.text
        form = {"prompt": prompt[1], "login": subject, "password": "any"}
        answer = client.post(urljoin(str(page.url), html.unescape(action[1])), data=form)
        assert answer.status_code == 303, answer.text
        return urljoin(str(page.url), answer.headers["location"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def installed(folder: Path) -> Path:
    """Give a folder with the provider installed; skips where there is no node, or nothing to install it from."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs the programs node and npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip().splitlines()[-1:]}")
    shutil.copy(SCRIPT, folder)
    return folder


@contextlib.contextmanager
def provider(folder: Path, scratch: Path) -> Iterator[Elsewhere]:
    """Run the provider of a folder it is installed in, with a man in the middle before it."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "first"}, private=True)
    inner_port, client_port = free_port(), free_port()
    with Middle(inner_port) as middle:
        client = {
            "client_id": "catalogue",
            "client_secret": SECRET,
            "redirect_uris": [f"http://127.0.0.1:{client_port}/sign-in/oidc/callback"],
        }
        elsewhere = Elsewhere(middle, key, scratch / "people.json", client_port)
        elsewhere.know(PEOPLE)
        told = {
            "PORT": str(inner_port),
            "ISSUER": middle.base,
            "CLIENT": json.dumps(client),
            "KEY": json.dumps(key.as_dict(private=True)),
            "PEOPLE": str(elsewhere.people_file),
            "PATH": str(Path(shutil.which("node") or "").parent),
        }
        thread = threading.Thread(target=middle.serve_forever)
        command = ["node", str(folder / SCRIPT.name)]
        with subprocess.Popen(
            command, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            said = iter(process.stdout.readline, "")
            assert any(line.startswith("listening") for line in said), "the provider does not start"
            threading.Thread(target=lambda: list(said), daemon=True).start()  # its log must not fill the pipe
            thread.start()
            try:
                yield elsewhere
            finally:
                middle.shutdown()
                thread.join()
                process.terminate()
