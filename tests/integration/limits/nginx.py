"""nginx with the lines that we ship, on a free port of this machine, without rights of its own."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.support.service import Client
from tests.support.serving import free_port

SHIPPED = Path(__file__).parents[3] / "deploy" / "nginx.conf"
STALLS_FOR = 1
"""Seconds that a client may be silent, here; shipped is more."""
AT_ONCE = 10
"""Connections that an address may have, here; shipped is more."""

_AROUND = """daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {lines}
}}
"""


class Nginx:
    """A running nginx; `client` trusts its certificate."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.client = folder, port, Client(f"https://localhost:{port}")
        self.client.session.verify = str(folder / "authority.pem")

    def log(self, name: str) -> str:
        """Return what it wrote to a log."""
        return (self.folder / name).read_text()

    def lines_with(self, text: str) -> list[str]:
        """Return the lines of its log of calls, once one has a text: it is written after the answer."""
        ends = time.monotonic() + 10
        while text not in self.log("plexus-cds.log") and time.monotonic() < ends:
            time.sleep(0.05)
        return self.log("plexus-cds.log").splitlines()

    def take_the_disk_away(self) -> None:
        """Let it fail where it would write a body or an answer to the disk, whose file it would delete at once."""
        for name in ("body", "proxy"):
            (self.folder / name).rmdir()
            (self.folder / name).touch()


@contextmanager
def nginx(folder: Path, *service_ports: int, stalls_for: int = STALLS_FOR, at_once: int = AT_ONCE) -> Iterator[Nginx]:
    """Start nginx in front of one service or more, and stop it again whatever happens."""
    server = Nginx(folder, free_port())
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "this test needs nginx; Debian's package is nginx-light"
    _certify(folder)
    (folder / "nginx.conf").write_text(
        _AROUND.format(folder=folder, lines=_here(server, service_ports, stalls_for, at_once))
    )
    process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    try:
        _wait(process, server.port)
        yield server
    finally:
        server.client.session.close()
        process.terminate()
        process.communicate()


def _certify(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    own = authority.issue_cert("localhost")
    own.private_key_pem.write_to_path(str(folder / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))


def _here(server: Nginx, service_ports: Sequence[int], stalls_for: int, at_once: int) -> str:
    """Return the shipped lines with the places of this machine and small numbers; each must be there to be replaced."""
    text = SHIPPED.read_text()
    for shipped, here in {
        r"listen 443 ssl;": f"listen 127.0.0.1:{server.port} ssl;",
        r"server 127\.0\.0\.1:8080(.*;)": " ".join(rf"server 127.0.0.1:{port}\1" for port in service_ports),
        r"/etc/nginx/plexus-cds/(?=certificate|key)": f"{server.folder}/",
        r"/var/log/nginx/": f"{server.folder}/",
        r"client_(header|body)_timeout 10s;": rf"client_\1_timeout {stalls_for}s;",
        r"limit_conn plexus_connections 200;": f"limit_conn plexus_connections {at_once};",
    }.items():
        text, times = re.subn(shipped, here, text)
        assert times, shipped
    return text


def _wait(process: subprocess.Popen, port: int) -> None:
    """Return once it listens; fail where it ends instead."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nginx did not start: {process.communicate()[1].decode()}")
