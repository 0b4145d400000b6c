"""A real nginx as reverse proxy, with the very configuration that the guide shows.

Its blocks are put into a configuration of the tests' own. So that a test on one host can have clients elsewhere,
nginx listens with the PROXY protocol and takes the client's address from it, as it would behind a load balancer.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import missing, needs
from tests.servers.ports import free_port
from tests.servers.process import Process

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "tls-and-proxies.md"
_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_MAIN = """\
load_module {module};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header proxy_protocol;
{http}
}}
{stream}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx with its ways to the registry; all but `direct` want the PROXY protocol first."""

    process: Process
    # HTTPS ended here, by the named address; by an address that is not named; and bytes passed on.
    direct: int
    named: int
    unnamed: int
    stream: int

    def stop(self) -> None:
        """The server has ended."""
        self.process.stop()


def guide_blocks() -> list[str]:
    """The nginx blocks of the guide, in their order."""
    return re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def start(folder: Path, *, plain: int, tls: int, certificate: Path, key: Path) -> Nginx:
    """An nginx in front of the registry at these ports, that shows this certificate."""
    nginx = needs("nginx")
    if not _MODULE.exists():
        missing("libnginx-mod-stream is not installed; tests/system/install.sh installs it on Debian 12")
    folder.mkdir()
    direct, named, unnamed, stream = (free_port() for _ in range(4))
    server, passing = guide_blocks()
    server = _put(server, "/etc/nginx/registry.crt", str(certificate))
    server = _put(server, "/etc/nginx/registry.key", str(key))
    server = _put(server, "127.0.0.1:5000", f"127.0.0.1:{plain}")
    both = f"listen 127.0.0.1:{named} ssl proxy_protocol; listen 127.0.0.1:{direct} ssl"
    by_name = _put(server, "listen 443 ssl", both)
    without = _put(server, "listen 443 ssl", f"listen 127.0.0.1:{unnamed} ssl proxy_protocol")
    without = _put(without, "        proxy_bind         127.0.0.2;\n", "")
    passing = _put(passing, "127.0.0.1:5443", f"127.0.0.1:{tls}")
    passing = _put(passing, "listen 443", f"set_real_ip_from 127.0.0.0/8; listen 127.0.0.1:{stream} proxy_protocol")
    written = folder / "nginx.conf"
    written.write_text(_MAIN.format(module=_MODULE, folder=folder, http=by_name + without, stream=passing))
    command = [nginx, "-p", folder, "-c", written, "-e", folder / "error.log"]
    process = Process(command, log=folder / "log")
    process.wait_until(lambda: all(_listens(port) for port in (named, unnamed, stream)))
    return Nginx(process, direct, named, unnamed, stream)


@dataclass(frozen=True)
class PlainNginx:
    """A running nginx in front of a registry, on every address, without TLS: by the named address, and by its own."""

    process: Process
    named: int
    unnamed: int


def start_inside(inside: Sequence[str | Path], folder: Path, *, plain: int, named: int, unnamed: int) -> PlainNginx:
    """An nginx on the host where commands begin with `inside`, as the guide has it but for TLS."""
    nginx = needs("nginx")
    folder.mkdir()
    server = re.sub(r" *ssl_certificate.*\n", "", guide_blocks()[0])
    server = _put(server, "127.0.0.1:5000", f"127.0.0.1:{plain}")
    by_name = _put(server, "listen 443 ssl", f"listen {named}; listen [::]:{named}")
    without = _put(server, "listen 443 ssl", f"listen {unnamed}; listen [::]:{unnamed}")
    without = _put(without, "        proxy_bind         127.0.0.2;\n", "")
    written, told = folder / "nginx.conf", folder / "pid"
    written.write_text(_MAIN.format(module=_MODULE, folder=folder, http=by_name + without, stream=""))
    process = Process([*inside, nginx, "-p", folder, "-c", written, "-e", folder / "error.log"], log=folder / "log")
    # It writes this when it listens.
    process.wait_until(told.exists)
    return PlainNginx(process, named, unnamed)


def _put(text: str, there: str, here: str) -> str:
    assert there in text, f"the guide does not say {there!r} any more"
    return text.replace(there, here)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
