"""Debian's nginx, started in a temporary folder with the configuration that is shipped.

Knows which of its lines a site adapts; does not know what is asked.
"""

import grp
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
OPENSSL = shutil.which("openssl")
MISSING = "" if NGINX and OPENSSL else "needs the programs nginx and openssl: Debian packages nginx-light and openssl"
"""Why nginx cannot be tried here; empty where it can."""
SHIPPED = Path(__file__).parent.parent.parent / "deploy"

MAIN = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/catalogue.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """An nginx that listens."""

    folder: Path
    port: int
    plain_port: int
    """Where it sends people on to TLS from."""
    tls: ssl.SSLContext
    """Trusts its certificate alone."""


@contextmanager
def nginx(catalogue: Path, behind: int, user: str = "root") -> Iterator[Front]:
    """Run nginx in front of what listens at a port, over a catalogue's folder; as root, its workers as a user."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as temporary:
        folder = Path(temporary)
        certificate = _certificate(folder)
        port, plain_port = _free_ports()
        shutil.copy(SHIPPED / "unavailable.html", folder)
        (folder / "catalogue.conf").write_text(adapted(folder, catalogue, behind, port, plain_port))
        said = f"user {user} {grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name};" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=said))
        command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(process, port, folder)
                yield Front(folder, port, plain_port, ssl.create_default_context(cafile=certificate))
            finally:
                process.terminate()
                process.wait(30)


def adapted(folder: Path, catalogue: Path, behind: int, port: int, plain_port: int) -> str:
    """Give the shipped configuration with all that its comments ask a site to adapt."""
    text = (SHIPPED / "nginx.conf").read_text(encoding="utf-8")
    for shipped, ours in {
        "server 127.0.0.1:8008;": f"server 127.0.0.1:{behind};",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "https://catalogue.example": f"https://127.0.0.1:{port}",
        "server_name catalogue.example;": "server_name 127.0.0.1;",
        "/etc/ssl/certs/catalogue.pem": f"{folder}/certificate.pem",
        "/etc/ssl/private/catalogue.key": f"{folder}/key.pem",
        "/var/log/nginx/catalogue.log": f"{folder}/access.log",
        "/var/www/catalogue/;": f"{folder}/;",
        "/srv/catalogue/catalogue/": f"{catalogue}/",
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, ours)
    return text


def _certificate(folder: Path) -> Path:
    command = [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "certificate.pem", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "certificate.pem"


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    """Wait until nginx takes connections; says what it complained about where it does not start."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError((folder / "error.log").read_text())
