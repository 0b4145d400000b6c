"""Hosts in a network of their own, as namespaces of the kernel: a server, and clients each on a wire to it.

Every client has a subnet with the server, of IPv4 and IPv6, and reaches all other addresses of the server through it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import missing, needs, needs_root


@dataclass(frozen=True)
class Host:
    """One client: the first addresses of its subnets are the server's, the others its own."""

    name: str
    # `10.50.1` and `fd50:0:0:1`
    ipv4: str
    ipv6: str

    @property
    def addresses(self) -> tuple[str, str]:
        """Its own addresses."""
        return f"{self.ipv4}.2", f"{self.ipv6}::2"

    @property
    def servers(self) -> tuple[str, str]:
        """The server's addresses on its wire."""
        return f"{self.ipv4}.1", f"{self.ipv6}::1"


class Laboratory:
    """The hosts and their server."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        """Nothing is there yet."""
        self._ip = needs("ip")
        self._mark = f"rs{os.getpid()}"
        self.hosts = {host.name: host for host in hosts}

    def build(self) -> None:
        """The hosts are up and wired."""
        self._run(f"netns add {self.place('server')}")
        self._run(f"-n {self.place('server')} link set dev lo up")
        for host in self.hosts.values():
            self._wire(host)

    def place(self, name: str) -> str:
        """The namespace of a client, or of `server`."""
        return f"{self._mark}{name}"

    def inside(self, name: str) -> list[str | Path]:
        """What a command begins with to run on that host."""
        return [self._ip, "netns", "exec", self.place(name)]

    def addresses(self, interface: str) -> set[str]:
        """The addresses on an interface of the server, without those that the kernel makes."""
        told = subprocess.run(
            [self._ip, "-n", self.place("server"), "-brief", "addr", "show", "dev", interface],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[2:]
        return {each.partition("/")[0] for each in told if not each.startswith("fe80")}

    def server(self, command: str) -> None:
        """`ip` has done that on the server."""
        self._run(f"-n {self.place('server')} {command}")

    def remove(self) -> None:
        """Nothing is left."""
        for name in ("server", *self.hosts):
            subprocess.run([self._ip, "netns", "delete", self.place(name)], check=False, capture_output=True)

    def _wire(self, host: Host) -> None:
        here, there = self.place("server"), self.place(host.name)
        self._run(f"netns add {there}")
        # An interface's name has 15 letters; each is in a namespace of its own.
        self._run(f"link add {host.name} netns {here} type veth peer name wire netns {there}")
        for place, device, last in ((here, host.name, 1), (there, "wire", 2)):
            self._run(f"-n {place} addr add {host.ipv4}.{last}/24 dev {device}")
            self._run(f"-n {place} addr add {host.ipv6}::{last}/64 dev {device} nodad")
            self._run(f"-n {place} link set dev {device} up")
        self._run(f"-n {there} link set dev lo up")
        self._run(f"-n {there} route add default via {host.ipv4}.1")
        self._run(f"-n {there} -6 route add default via {host.ipv6}::1")

    def join(self, name: str) -> None:
        """A host of that name is on the server's bridge, by its interface `wire`."""
        self.hosts[name] = Host(name, "", "")
        here, there = self.place("server"), self.place(name)
        self._run(f"netns add {there}")
        self._run(f"link add {name} netns {here} type veth peer name wire netns {there}")
        self._run(f"-n {here} link set dev {name} master bridge up")
        self._run(f"-n {there} link set dev wire up")

    def _run(self, arguments: str) -> None:
        done = subprocess.run([self._ip, *arguments.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ip {arguments}: {done.stderr.strip()}")


class Machine:
    """A host of the laboratory with an /etc of its own, as the commands see it that are run there."""

    def __init__(self, lab: Laboratory, name: str, folder: Path) -> None:
        """Its /etc is like this machine's."""
        folder.mkdir(parents=True, exist_ok=True)
        self.etc = folder / "etc"
        self._folder = folder
        subprocess.run(["cp", "-a", "/etc", self.etc], check=True)
        own = 'mount --bind "$0" /etc && exec "$@"'
        # `ip netns exec` would give it a /sys without control groups too, which a docker engine needs.
        net = ["nsenter", f"--net=/var/run/netns/{lab.place(name)}"]
        self.inside: list[str | Path] = [*net, "unshare", "--mount", "sh", "-c", own, self.etc]

    def write(self, name: str, text: str) -> None:
        """The file is in its /etc, instead of any link there."""
        (self.etc / name).unlink(missing_ok=True)
        (self.etc / name).write_text(text)

    def program(self, path: str) -> Path:
        """A program that runs that one here."""
        script = self._folder / Path(path).name
        begin = " ".join(shlex.quote(str(word)) for word in [*self.inside, path])
        script.write_text(f'#!/bin/sh\nexec {begin} "$@"\n')
        script.chmod(0o755)
        return script


@contextmanager
def laboratory(*hosts: Host) -> Iterator[Laboratory]:
    """The hosts are up as long as the block lasts; the test ends where this machine has no namespaces to give."""
    needs_root("a network of namespaces")
    mark = f"rs{os.getpid()}probe"
    tried = subprocess.run([needs("ip"), "netns", "add", mark], capture_output=True, text=True, check=False)
    subprocess.run([needs("ip"), "netns", "delete", mark], capture_output=True, check=False)
    if tried.returncode != 0:
        missing(f"network namespaces cannot be made here: {tried.stderr.strip()}")
    made = Laboratory(hosts)
    try:
        made.build()
        yield made
    finally:
        made.remove()


@contextmanager
def bridged(*names: str) -> Iterator[Laboratory]:
    """Hosts on one bridge, which is on the host `server`; each is there by the interface `wire`."""
    with laboratory() as lab:
        lab.server("link add name bridge type bridge forward_delay 0")
        lab.server("link set dev bridge up")
        for name in names:
            lab.join(name)
        yield lab
