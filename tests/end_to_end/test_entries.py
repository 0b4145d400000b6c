"""Who gets in where: hosts in and outside the allowlist and in two VPCs, against every entry, over real networks.

What is expected follows from one plain rule about what the owner has said (`entry_rule.py`). After each change every
host asks every address of the server for two instances at every door, by IPv4 and IPv6, also through a real nginx
that the settings name and one that they do not, with forged headers: nobody may get in who should not, or be shut out
who should be let in.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from dnslib import RCODE, DNSRecord

from roadstead.app import open_context, utc_now
from roadstead.config import Settings, load
from roadstead.services import audit, deployments, links, networks
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.operations import run
from tests.clients.containers_tools import ContainersTool
from tests.clients.ctr import Ctr
from tests.clients.docker import Docker
from tests.clients.interface import ClientFailed, Login
from tests.clients.layouts import make_image
from tests.end_to_end.entry_rule import Said, Way, requests_from, requests_of
from tests.requirements import needs
from tests.servers import dockerd, nginx
from tests.servers.containerd import Containerd
from tests.servers.laboratory import Host, Laboratory, Machine, laboratory
from tests.servers.process import Process

pytestmark = pytest.mark.xdist_group("entries")

PORT, HTTPS = 5000, 5443
# Where the registry is asked, and where nginx in front of it.
PORTS = {Way.DIRECT: PORT, Way.NAMED: 8080, Way.UNNAMED: 8081}
HOSTS = (
    Host("office", "10.50.1", "fd50:0:0:1"),
    Host("stranger", "10.50.2", "fd50:0:0:2"),
    Host("rack1", "10.61.1", "fd61:0:0:1"),
    Host("rack2", "10.61.2", "fd61:0:0:2"),
    Host("other", "10.62.1", "fd62:0:0:1"),
)
# The registry's host itself, by its loopback.
ITSELF = Host("server", "127.0.0", "")
VPCS = {"vpc-lab": ("10.61.0.0/16", "fd61::/48"), "vpc-other": ("10.62.0.0/16", "fd62::/48")}
SUBNETS = {
    "subnet-a": ("vpc-lab", "10.61.1.0/24", "rack1"),
    "subnet-a6": ("vpc-lab", "fd61:0:0:1::/64", "rack1"),
    "subnet-b": ("vpc-lab", "10.61.2.0/24", "rack2"),
    "subnet-o": ("vpc-other", "10.62.1.0/24", "other"),
}
INSTANCES = ("default", "second")
CONFIG = f"""
listen = "[::]:{PORT}"
base_domain = "registry.test"
processes = 2
[network]
vpcs = {[f"{vpc} {'+'.join(cidrs)}" for vpc, cidrs in VPCS.items()]}
proxies = ["127.0.0.2"]
subnets = {[f"{subnet} {' '.join(of)}" for subnet, of in SUBNETS.items()]}
[tls]
listen = "[::]:{HTTPS}"
self_signed = true
[dns]
addresses = ["0.0.0.0:53", "[::]:53"]
"""


async def until(ready: Callable[[], bool]) -> None:
    """It is so; or the test has failed."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(ready):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Registry:
    """The served registry of the laboratory, and its owner, who works in another process on the same data."""

    def __init__(self, lab: Laboratory, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.said = Said(VPCS, {name: set() for name in INSTANCES})
        self._config = folder.with_suffix(".toml")
        self._config.write_text(f"data = {json.dumps(str(folder))}\n{CONFIG}")
        self._log = folder.with_suffix(".log")
        self._process: Process | None = None
        self.settings: Settings = load(self._config, {})

    def start(self) -> None:
        command = [*self.lab.inside("server"), sys.executable, "-m", "roadstead", "serve", "--config", self._config]
        self._process = Process(command, log=self._log)
        self._process.wait_until(self._healthy)

    def stop(self) -> None:
        if self._process is not None:
            assert self._process.stop(30) == 0, self._log.read_text()
            self._process = None

    def _healthy(self) -> bool:
        asking = [*self.lab.inside("server"), needs("curl"), "-sf", "-m", "2", f"http://127.0.0.1:{PORT}/healthz"]
        return subprocess.run(asking, capture_output=True, check=False).returncode == 0

    def trust(self, host: str, folder: Path) -> list[str]:
        """The lines by which docker, podman and containerd trust it; the authority's file is in the folder."""
        asking = [sys.executable, "-m", "roadstead", "tls", "self-signed", "--host", host, "--config", self._config]
        told = subprocess.run(asking, capture_output=True, text=True, check=True).stdout
        shutil.copy(self.folder / "tls" / "authority.pem", folder)
        lines = re.findall(r"^  (?:docker|podman, skopeo, buildah|containerd) +(\S.*)$", told, re.MULTILINE)
        ((file, toml),) = re.findall(r"and in (\S+):\n((?: {20,}.*\n)+)", told)
        return [*lines, f"cat > {file} <<'END'\n{textwrap.dedent(toml)}END"]

    @property
    def login(self) -> tuple[str, str]:
        made = json.loads((self.folder / "initial-credentials.json").read_bytes())
        return made["RegistryUser"], made["RegistryToken"]

    async def ask(self, ctx: Context, op: Any, instance: str = "default", **fields: Any) -> Any:
        """The answer of an operation asked by the owner."""
        if "registry_id" in op.request.__struct_fields__:
            fields["registry_id"] = (await ctx.instances.find(instance)).row.registry_id
        return await run(ctx, await local_owner(ctx), op, op.request(**fields))

    async def allow(self, ctx: Context, instance: str, *cidrs: str) -> None:
        """The instance's allowlist names these too."""
        for cidr in set(cidrs) - self.said.allowed[instance]:
            await self.ask(ctx, networks.create_security_policy, instance, cidr_block=cidr)
            self.said.allowed[instance].add(cidr)

    async def deny(self, ctx: Context, instance: str, *cidrs: str) -> None:
        """The instance's allowlist does not name these any more."""
        for cidr in cidrs:
            await self.ask(ctx, networks.delete_security_policy, instance, cidr_block=cidr)
            self.said.allowed[instance].remove(cidr)

    async def open(self, ctx: Context, instance: str) -> None:
        """The instance's public entry is open."""
        await self.ask(ctx, networks.manage_external_endpoint, instance, operation="Create")
        self.said.opened.add(instance)

    async def close(self, ctx: Context, instance: str) -> None:
        """The instance's public entry is closed."""
        await self.ask(ctx, networks.manage_external_endpoint, instance, operation="Delete")
        self.said.opened.discard(instance)

    async def loopback(self, ctx: Context, instance: str, *, on: bool) -> None:
        """The instance's loopback entry is open, or closed."""
        await self.ask(ctx, networks.modify_loopback_entry, instance, enabled=on)
        (self.said.closed_to_itself.discard if on else self.said.closed_to_itself.add)(instance)

    async def link(self, ctx: Context, instance: str, *subnets: str) -> None:
        """The instance has running links in these subnets."""
        held = (await self.ask(ctx, links.describe_internal_endpoints, instance)).access_vpc_set
        for subnet in set(subnets) - {each.subnet_id for each in held}:
            at = {"vpc_id": SUBNETS[subnet][0], "subnet_id": subnet}
            await self.ask(ctx, links.manage_internal_endpoint, instance, operation="Create", **at)
        await self.running(ctx, instance)
        for each in (await self.ask(ctx, links.describe_internal_endpoints, instance)).access_vpc_set:
            self.said.linked[each.access_ip] = (instance, each.vpc_id)

    async def unlink(self, ctx: Context, instance: str) -> None:
        """The instance has no links, and none of their addresses is on an interface."""
        for each in (await self.ask(ctx, links.describe_internal_endpoints, instance)).access_vpc_set:
            at = {"vpc_id": each.vpc_id, "subnet_id": each.subnet_id}
            await self.ask(ctx, links.manage_internal_endpoint, instance, operation="Delete", **at)
            del self.said.linked[each.access_ip]
            await self.off(each.access_ip)

    async def off(self, address: str) -> None:
        """The address is on none of the server's interfaces."""
        await until(lambda: all(address not in self.lab.addresses(host.name) for host in HOSTS))

    async def running(self, ctx: Context, instance: str) -> None:
        async with asyncio.timeout(30):
            while True:
                found = (await self.ask(ctx, links.describe_internal_endpoints, instance)).access_vpc_set
                if all(each.status == "Running" for each in found):
                    return
                await asyncio.sleep(0.05)

    def address(self, instance: str, vpc: str, *, version: int = 4) -> str:
        """The address of the instance's link in the VPC."""
        found = (each for each, of in self.said.linked.items() if of == (instance, vpc))
        return next(each for each in found if ip_address(each).version == version)

    def check(self) -> None:
        """Everybody has asked everywhere, and got in where the plain rule says."""
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda of: self._wrong(*of), product([*HOSTS, ITSELF], INSTANCES)))
        wrong = [each for part in found for each in part]
        assert not wrong, "\n".join(wrong)

    def _wrong(self, host: Host, instance: str) -> list[str]:
        """Where the host was not answered as the plain rule says."""
        targets = list(ITSELF.servers) if host is ITSELF else [*HOSTS[0].servers, *self.said.linked]
        wrong = []
        for request, status in requests_from(self.lab, host, instance, requests_of(targets, PORTS)).items():
            by_ipv6 = ip_address(request.target).version == 6
            client = request.target if host is ITSELF else host.addresses[by_ipv6]
            admitted = self.said.admits(client, request, instance)
            if (status != 403) is not admitted or status == 0:
                wrong.append(f"{host.name} for {instance}: {request}: {status}, admitted: {admitted}")
        return wrong


@pytest.fixture(scope="module")
def registry(session_folder: Path) -> Iterator[Registry]:
    """A served registry with two instances, closed, in a laboratory of its own."""
    with laboratory(*HOSTS) as lab:
        served = Registry(lab, session_folder / "entries")
        served.start()
        ports = {"plain": PORT, "named": PORTS[Way.NAMED], "unnamed": PORTS[Way.UNNAMED]}
        proxy = nginx.start_inside(lab.inside("server"), session_folder / "entries-nginx", **ports)
        try:
            yield served
        finally:
            proxy.process.stop()
            served.stop()


@pytest.fixture
async def owner(registry: Registry) -> AsyncIterator[Context]:
    """The owner's own process; the second instance is there."""
    async with open_context(registry.settings, utc_now) as ctx:
        async with ctx.database.read() as tx:
            there = await ctx.instances.load(tx, "second")
        if there is None:
            await registry.ask(ctx, deployments.create_instance, registry_name="second", registry_type="standard")
            async with asyncio.timeout(30):
                while there is None or not there.running:
                    await asyncio.sleep(0.05)
                    async with ctx.database.read() as tx:
                        there = await ctx.instances.load(tx, "second")
        yield ctx


async def test_nobody_gets_in_who_should_not_after_any_change(registry: Registry, owner: Context) -> None:
    said = registry.said
    for instance in INSTANCES:
        await registry.close(owner, instance)
        await registry.deny(owner, instance, *said.allowed[instance])
        await registry.unlink(owner, instance)
        await registry.loopback(owner, instance, on=True)
    registry.check()
    await registry.open(owner, "default")
    registry.check()
    await registry.allow(owner, "default", "10.50.1.0/24")
    registry.check()
    await registry.allow(owner, "default", "fd50:0:0:1::/64", "10.61.2.2/32")
    await registry.allow(owner, "second", "0.0.0.0/0")
    registry.check()
    await registry.link(owner, "default", "subnet-a", "subnet-a6", "subnet-o")
    await registry.link(owner, "second", "subnet-b")
    registry.check()
    await registry.open(owner, "second")
    await registry.loopback(owner, "second", on=False)
    registry.check()
    await registry.close(owner, "default")
    await registry.deny(owner, "second", "0.0.0.0/0")
    registry.check()
    # A link that is taken away: nothing of it is left, on the interface either.
    gone = registry.address("default", "vpc-other")
    at = {"vpc_id": "vpc-other", "subnet_id": "subnet-o"}
    await registry.ask(owner, links.manage_internal_endpoint, operation="Delete", **at)
    del said.linked[gone]
    registry.check()
    await registry.off(gone)
    # The host starts again, and the kernel knows nothing of the links.
    kept = registry.address("default", "vpc-lab")
    registry.stop()
    # It keeps its address, and nobody serves there.
    async with open_context(registry.settings, lambda: utc_now() + timedelta(minutes=1)) as later:
        told = (await registry.ask(later, links.describe_internal_endpoints)).access_vpc_set
        assert {each.status for each in told} == {"Failed"} and "start the server there" in told[0].reason
    registry.lab.server(f"addr del {kept}/24 dev rack1")
    registry.start()
    await until(lambda: kept in registry.lab.addresses("rack1"))
    await registry.running(owner, "default")
    registry.check()


async def test_a_refusal_names_the_entry_and_the_address_and_is_audited_in_sum(
    registry: Registry, owner: Context
) -> None:
    await registry.link(owner, "default", "subnet-a")
    link = registry.address("default", "vpc-lab")
    await registry.close(owner, "default")
    for target, named in ((link, "private"), (HOSTS[1].servers[0], "public")):
        asking = [*registry.lab.inside("stranger"), needs("curl"), "-s", f"http://{target}:{PORT}/v2/?x=[1-400]"]
        told = await asyncio.to_thread(subprocess.check_output, asking, text=True)
        (error,) = json.JSONDecoder().raw_decode(told)[0]["errors"]
        assert (error["detail"]["entry"], error["detail"]["address"]) == (named, "10.50.2.2")
        async with asyncio.timeout(30):
            # Of each process the first few of a second have an entry, and the last of these stands for the rest. An
            # address has 50 of all kinds: where the test before has just used them up, what is knocked in that
            # second is counted on an entry of its, of another kind. So this knocks in a second of its own.
            while not any(each.get("more") for each in await entries(registry, owner, named)):
                await asyncio.to_thread(subprocess.check_output, asking)
                await asyncio.sleep(1)


async def entries(registry: Registry, owner: Context, entry: str) -> list[dict[str, Any]]:
    """What the audit says of those whom the entry refused from the stranger's address."""
    page = await registry.ask(owner, audit.look_up_events, address="10.50.2.2", outcome="refused", limit=1000)
    decisions = [json.loads(each.decision) for each in page.events]
    return [each for each in decisions if each["entry"] == entry]


async def test_clients_work_through_the_entries_that_let_them_in(
    registry: Registry, owner: Context, tmp_path: Path
) -> None:
    """Skopeo pushes from the office, podman pulls in the VPC by the private name, and strangers do neither."""
    await registry.link(owner, "default", "subnet-a")
    link, lab = registry.address("default", "vpc-lab"), registry.lab
    name = {"vpc_id": "vpc-lab", "eni_lb_ip": link, "use_public_domain": True}
    await registry.ask(owner, links.create_internal_endpoint_dns, **name)
    await registry.allow(owner, "default", "10.50.1.0/24")
    await registry.open(owner, "default")
    # Each process learns of the name within a second, and any of them may be asked.
    await until(lambda: all(resolved(lab, HOSTS[3]) == ("NOERROR", link) for _ in range(10)))
    assert await asyncio.to_thread(resolved, lab, HOSTS[0]) == ("REFUSED", "")
    layout = make_image(tmp_path / "layout")
    public = f"{HOSTS[0].servers[0]}:{PORT}/library/app:1"
    office = tool(registry, "skopeo", "office", tmp_path / "office", public)
    await asyncio.to_thread(
        office, "copy", "--dest-tls-verify=false", layout.oci_of(layout.image), f"docker://{public}"
    )
    private = f"default.registry.test:{PORT}/library/app:1"
    rack = tool(registry, "podman", "rack2", tmp_path / "rack", private)
    await asyncio.to_thread(rack, "pull", "--tls-verify=false", private)
    stranger = tool(registry, "skopeo", "stranger", tmp_path / "stranger", public)
    for host in (HOSTS[1].servers[0], link):
        with pytest.raises(ClientFailed, match="403"):
            stranger("inspect", "--tls-verify=false", f"docker://{host}:{PORT}/library/app:1")


def tool(registry: Registry, program: str, host: str, folder: Path, reference: str) -> ContainersTool:
    """The program on that host, logged in to the reference's registry; its names are asked of the registry."""
    machine = Machine(registry.lab, host, folder)
    machine.write("resolv.conf", f"nameserver {registry.lab.hosts[host].servers[0]}\noptions timeout:1\n")
    made = ContainersTool(str(machine.program(needs(program))), folder, reference.partition("/")[0])
    user, password = registry.login
    auths = {reference.partition("/")[0]: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}
    (folder / "auth.json").write_text(json.dumps({"auths": auths}))
    return made


async def test_clients_trust_the_registry_by_the_lines_that_it_prints(
    registry: Registry, owner: Context, containerd_server: Containerd, tmp_path: Path
) -> None:
    """Docker, podman, skopeo and containerd at the office, by HTTPS that the registry speaks itself."""
    await registry.allow(owner, "default", "10.50.1.0/24")
    await registry.open(owner, "default")
    office = Machine(registry.lab, "office", tmp_path / "office")
    office.write("hosts", f"127.0.0.1 localhost\n::1 localhost\n{HOSTS[0].servers[0]} default.registry.test\n")
    engine = await asyncio.to_thread(dockerd.start, office.inside)
    try:
        await asyncio.to_thread(push_and_pull_with_trust, registry, office, engine, containerd_server, tmp_path)
    finally:
        await asyncio.to_thread(engine.stop)


def push_and_pull_with_trust(
    registry: Registry, office: Machine, engine: dockerd.DockerEngine, server: Containerd, folder: Path
) -> None:
    at, login, layout = f"default.registry.test:{HTTPS}", Login(*registry.login), make_image(folder / "layout")
    docker = Docker(folder / "docker", at, engine)
    ctr_folder = folder / f"ctr-{folder.name}"
    ctr = Ctr(ctr_folder, server, office.program(needs("ctr")), ("--hosts-dir", "/etc/containerd/certs.d"))
    ctr.login(login)
    podman, skopeo = (
        ContainersTool(str(office.program(needs(each))), folder / each, at, insecure=False)
        for each in ("podman", "skopeo")
    )
    words = ("login", "--username", login.user, "--password", login.password, at)
    for refused in (
        partial(docker.login, login),
        partial(podman, *words),
        partial(skopeo, *words),
        partial(ctr.push, layout, f"{at}/library/trusted:ctr"),
    ):
        with pytest.raises(ClientFailed, match="x509"):
            refused()
    for line in registry.trust(at, folder):
        subprocess.run([*office.inside, "sh", "-c", line], cwd=folder, check=True)
    docker.login(login)
    docker.push(layout, f"{at}/library/trusted:docker")
    podman(*words)
    podman("pull", "--quiet", layout.oci)
    podman("push", layout.image.config.removeprefix("sha256:"), f"{at}/library/trusted:podman")
    ctr.push(layout, f"{at}/library/trusted:ctr")
    skopeo(*words)
    for tag in ("podman", "ctr"):
        assert docker.pull(f"{at}/library/trusted:{tag}").diffs == layout.image.diffs
    assert ctr.pull(f"{at}/library/trusted:docker").diffs == layout.image.diffs
    podman("pull", f"{at}/library/trusted:docker")
    assert "Digest" in skopeo("inspect", f"docker://{at}/library/trusted:docker").result
    for each in (docker, ctr):
        each.close()


def resolved(lab: Laboratory, host: Host) -> tuple[str, str]:
    """The condition and the address that the host's name server, which is the registry, tells of the private name."""
    program = (
        "import sys; from dnslib import DNSRecord\n"
        "sys.stdout.write(DNSRecord.question('default.registry.test').send(sys.argv[1], 53, timeout=5).hex())"
    )
    asking = [*lab.inside(host.name), sys.executable, "-c", program, host.servers[0]]
    told = DNSRecord.parse(bytes.fromhex(subprocess.run(asking, capture_output=True, text=True, check=True).stdout))
    return RCODE[told.header.rcode], str(told.rr[0].rdata) if told.rr else ""
