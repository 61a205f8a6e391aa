"""Listening: the address, the port, and stopping in good order.

Knows sockets, signals and uvicorn; does not know the application.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from catalog_builder.config import LOOPBACK, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.server.app import create_app

_LAST_ANSWERS_SECONDS = 10
"""Time running answers have to end once the server is told to stop."""

_WAITING_CONNECTIONS = 128

LARGEST_HEAD = 64 << 10
"""Bytes of a request's first line and headers that are kept while more must come; the gate counts those that came."""


def serve(
    settings: Settings,
    host: str | None = None,
    port: int | None = None,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a site until SIGTERM or Ctrl-C.

    Parameters
    ----------
    host, port
        Override the settings; port 0 means any free one.
    ready
        Told the address once the server listens.

    Where the settings name a Unix socket, it listens there, and to nothing else, unless a host or port is given.

    With ``auth.secure_cookies`` the address somebody asks from is what ``X-Forwarded-For`` says, where the request
    comes from 127.0.0.1: TLS ends at a proxy there. Any process of this host can so claim any address, which weakens
    the limits on guessing per address, not those per name; let nobody in on this host who should not be.

    Raises CatalogError where the address cannot be listened at, or where cookies would travel unprotected.
    """
    if settings.server.socket is not None and (host is not None or port is not None):  # so nobody believes its headers
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"socket": None})})
    with _listener(settings, host or settings.server.host, settings.server.port if port is None else port) as listener:
        server = uvicorn.Server(configured(create_app(settings), settings))
        with _stopping_quietly(server):
            if ready is not None:
                ready(_address(listener))
            server.run(sockets=[listener])


@contextmanager
def _listener(settings: Settings, host: str, port: int) -> Iterator[socket.socket]:
    path, public = settings.server.socket, settings.server.public_address
    if path is None:
        refuse_plain_cookies(host, settings.auth.secure_cookies)
        with listening(host, port) as listener:
            yield listener
        return
    refuse_plain_cookies(urlsplit(public or "").hostname or "the proxy in front", settings.auth.secure_cookies)
    with listening_at(path) as listener:
        yield listener


def _address(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return str(listener.getsockname())
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def configured(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Give how uvicorn is to run the application: quietly, within bounds, believing a proxy where one ends TLS."""
    over_socket = settings.server.socket is not None
    return uvicorn.Config(
        app,
        http="h11",
        h11_max_incomplete_event_size=LARGEST_HEAD,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=over_socket or bool(settings.auth.secure_cookies),  # TLS ends at a proxy on this host
        forwarded_allow_ips="*" if over_socket else "127.0.0.1",  # the proxy alone comes over a socket
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen at this address now."""
    try:
        with listening(host, port):
            return True
    except CatalogError:
        return False


def refuse_plain_cookies(host: str, secure_cookies: bool | None) -> None:
    """Raise CatalogError where sessions could be read off the network: plain HTTP is for loopback alone."""
    if host not in LOOPBACK and not secure_cookies:
        raise CatalogError(
            f"sessions would travel unprotected to {host!r}",
            where="auth.secure_cookies",
            remedy="set it to true and put TLS in front (nginx), or listen at 127.0.0.1",
        )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket that listens; raises CatalogError where the address is taken or not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # With the protocol named, asyncio sends small answers at once; without, each waits 40 ms (Nagle's algorithm).
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise CatalogError(f"there is no address {host!r} ({exc.strerror})", where="server.host") from exc
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_WAITING_CONNECTIONS)
        except OSError as exc:
            remedy = "choose another port with --port, or stop what listens there"
            raise CatalogError(f"cannot listen at {host}:{port} ({exc.strerror})", remedy=remedy) from exc
        yield listener


@contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    """Give a Unix socket that listens, which its owner and group alone may use; it goes when it is closed.

    What a server that was killed left there is replaced. Raises CatalogError where something else is there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            _remove_left_over(path)
            before = os.umask(0o117)  # never open to others, not even for a moment
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            listener.listen(_WAITING_CONNECTIONS)
        except OSError as exc:
            what = f"cannot listen at {path} ({exc.strerror or exc})"
            raise CatalogError(what, where="server.socket", remedy="name another place with --socket") from exc
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _remove_left_over(path: Path) -> None:
    """Remove a socket nobody listens at; raises CatalogError where somebody does, or where it is no socket."""
    if not path.exists():
        return
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            try:
                other.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
                return
    remedy = "stop what listens there, or name another place with --socket"
    raise CatalogError(f"{path} is taken", where="server.socket", remedy=remedy)


@contextmanager
def _stopping_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the server and nothing else, from now on: uvicorn raises them again at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
