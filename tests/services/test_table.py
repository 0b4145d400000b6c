"""Every management operation in every role: the outcome follows from one plain rule."""

from __future__ import annotations

import asyncio
import pkgutil
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

import roadstead.services
from roadstead.config import Storage
from roadstead.domain.identity import Caller
from roadstead.domain.presets import PRESETS
from roadstead.errors import (
    AccessDenied,
    AppError,
    NotAuthenticated,
    NotFound,
    OperationRefused,
    OperationUnsupported,
)
from roadstead.metadata import domains
from roadstead.services import service_accounts, users
from roadstead.services.access import admit
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.credentials import CreateInstanceToken, create_instance_token
from roadstead.services.groups import Membership
from roadstead.services.networks import CreateSecurityPolicy, PolicyEntry, create_security_policy
from roadstead.services.operations import AnyOperation, Operation, PageAnswer, PageRequest, Wire, run
from roadstead.services.registries import Prepaid
from roadstead.services.resource_tags import ReplacedTag
from roadstead.services.secrets import random_id
from roadstead.services.service_accounts import Permission
from roadstead.services.table import OPERATIONS
from roadstead.services.triggers import WebhookTarget, WebhookTrigger
from tests.factories.accounts import (
    nobody,
    owner_asker,
    owner_caller,
    owner_login,
    set_account_enabled,
    sub_caller,
)
from tests.factories.certificates import own_certificate
from tests.factories.charts import chart, upload_chart
from tests.factories.contexts import open_test_context
from tests.factories.pushes import push_image
from tests.factories.shops import lay_out

CERTIFICATE = own_certificate("*.example.test")
TRIGGER = WebhookTrigger(
    name="deploy",
    targets=[WebhookTarget(address="http://127.0.0.1:9/")],
    event_types=["pushImage"],
    condition="",
    enabled=True,
)
# What a request's fields say, unless an operation needs something else to succeed.
USUAL: dict[str, Any] = {
    "namespace_name": "library",
    "repository_name": "web",
    "image_version": "latest",
    "brief_description": "The shop",
    "description": "# The shop",
    "token_type": "longterm",
    "operation": "Create",
    "cidr_block": "192.0.2.0/24",
    "certificate_id": "certused",
    "certificate_public_key": CERTIFICATE.chain.decode(),
    "certificate_private_key": CERTIFICATE.key.decode(),
    "domain_name": "images.example.test",
    "vpc_id": "vpc-lab",
    "subnet_id": "subnet-a",
    "interface": "eth-none",
    "cidr_blocks": ["10.9.0.0/16"],
    "vpc_set": [],
    "eni_lb_ip": "10.7.1.2",
    "name": "alice",
    "status": "Inactive",
    "permissions": [Permission(resource="library", actions=["tcr:PullRepository"])],
    "random": True,
    "policy_name": "readers",
    "policy_document": PRESETS[-1].document,
    "set_as_default": True,
    "group_name": "people",
    "action": "tcr:PullRepository",
    "resource": "repository/tcr-1/library/web",
    "registry_name": "another",
    "registry_type": "premium",
    "registry_charge_prepaid": Prepaid(period=1, renew_flag=0),
    "registry_ids": ["tcr-nothing"],
    "target_region": "local",
    "target_storage_name": "bucket",
    "wanted_id": "tcr-nothing",
    "flag": 1,
    "namespace": "library",
    "trigger": TRIGGER,
    "policy_index": 0,
    "security_group_policy_set": [PolicyEntry(cidr_block="192.0.2.0/24")],
    "reference": "latest",
    "text": "# The shop",
    "tags": ["latest"],
    "service_type": "tcr",
    "resource_prefix": "instance",
    "resource_ids": ["tcr-nothing"],
    "replace_tags": [ReplacedTag(tag_key="team")],
    "chart_name": "demo",
    "chart_version": "0.1.0",
    "other_version": "0.2.0",
    "path": "Chart.yaml",
    "source_namespace": "library",
    "source_repo": "web",
    "source_reference": "latest",
    "destination_tag": "copied",
}
UNUSUAL: dict[str, dict[str, Any]] = {
    "CreateNamespace": {"namespace_name": "fresh"},
    "CreateInstanceCustomizedDomain": {"domain_name": "fresh.example.test"},
    "ModifyLoopbackEntry": {"enabled": False},
    "DeleteCertificate": {"certificate_id": "certspare"},
    "CreateVpc": {"vpc_id": "vpc-fresh"},
    "DeleteVpc": {"vpc_id": "vpc-empty"},
    "CreateSubnet": {"subnet_id": "subnet-fresh", "cidr_block": "10.7.9.0/24"},
    "DeleteSubnet": {"subnet_id": "subnet-empty"},
    "ManageInternalEndpoint": {"subnet_id": "subnet-empty"},
    "DeleteNamespace": {"namespace_name": "empty"},
    "CreateRepository": {"repository_name": "fresh"},
    "ModifyInstanceToken": {"enable": False},
    "CreateSecurityPolicy": {"cidr_block": "198.51.100.0/24"},
    # Those that have failed, of which there are none; what is on its way is not sent again.
    "SendAgain": {"log_id": None},
    "CreateWebhookTrigger": {"trigger": msgspec.structs.replace(TRIGGER, name="fresh")},
    "AddUser": {"name": "fresh", "console_login": 1, "use_api": 1},
    "DeleteUser": {"force": 1},
    "CreateServiceAccount": {"name": "fresh", "duration": 30},
    "GetSecurityLastUsed": {"secret_id_list": ["AKIDx"]},
    # A namespace that the caller may not see reads like one that does not exist.
    "DescribeRepositories": {"namespace_name": None},
    "DescribeHelmCharts": {"namespace_name": None, "chart_name": None},
    "DescribeWebhookTrigger": {"namespace": None},
    "TestCondition": {"namespace": ""},
    "CreatePolicy": {"policy_name": "fresh"},
    "CreateGroup": {"group_name": "fresh"},
    "SimulatePolicy": {"policy_document": None, "group_id": None},
    "CreateMultipleSecurityPolicy": {"security_group_policy_set": [PolicyEntry(cidr_block="198.51.100.0/24")]},
}
# What the resources of each service are.
KINDS = {
    "tcr": {"instance", "repository", "vpc", "certificate"},
    "cam": {"policyid", "groupid", "uin"},
    "sts": {"uin", "federated-user"},
    "cloudaudit": {"audit"},
    "tag": {"instance"},
}
READING = ("Describe", "Check", "LookUp", "Explain", "Get", "List", "Simulate", "Preview", "TestCondition")

# What the owner meets where the operation has no success on this registry.
ALWAYS: dict[str, type[AppError]] = {
    "ModifyInstanceStorage": OperationUnsupported,
    # The default instance cannot be deleted.
    "DeleteInstance": OperationRefused,
    # No job has failed.
    "RunJobAgain": NotFound,
}


def operations(*, changing: bool = False) -> list[Any]:
    """All operations, or only those that change something."""
    return [pytest.param(op, id=name) for name, op in OPERATIONS.items() if op.changes or not changing]


async def prepare(ctx: Context) -> dict[str, Any]:
    """There is one of everything that requests speak of; values that only the registry knows."""
    instance = await ctx.instances.find("default")
    registry = instance.row.registry_id
    caller = await local_owner(ctx)
    trigger = await prepare_trigger(ctx, caller, registry)
    await prepare_link(ctx, caller, registry)
    await prepare_domain(ctx, caller, registry)
    await push_image(ctx, await owner_asker(ctx), "library/web", "latest")
    for version in ("0.1.0", "0.2.0"):
        await upload_chart(ctx, await owner_asker(ctx), "library", chart(version=version))
    create = OPERATIONS["CreateNamespace"]
    await run(ctx, caller, create, create.request(registry_id=registry, namespace_name="empty"))
    await run(
        ctx, caller, create_security_policy, CreateSecurityPolicy(registry_id=registry, cidr_block="192.0.2.0/24")
    )
    token = await run(
        ctx, caller, create_instance_token, CreateInstanceToken(registry_id=registry, token_type="longterm")
    )
    user = await run(ctx, caller, users.add_user, users.AddUser(name="alice", use_api=1))
    await run(
        ctx,
        caller,
        service_accounts.create_service_account,
        service_accounts.CreateServiceAccount(
            registry_id=registry, name="alice", duration=1, permissions=USUAL["permissions"]
        ),
    )
    return {
        "registry_id": registry,
        "token_id": token.token_id,
        "request_id": caller.origin.request_id,
        "access_key_id": user.secret_id,
        "id": trigger,
        "log_id": await delivery_of(ctx, caller, registry),
        "resource": f"qcs::tcr::uin/:instance/{registry}",
        **await prepare_access(ctx, caller, user.uin),
    }


@dataclass(frozen=True)
class Stock:
    """The data folder of a registry with one of everything, to be copied, and what only the registry knows."""

    folder: Path
    known: dict[str, Any]

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[Context]:
        """A copy of the registry, in the folder `place`."""
        shutil.copytree(self.folder, place / "stocked")
        async with open_test_context(place / "stocked", storage=Storage()) as ctx:
            yield ctx


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """One of everything, made once: making it takes longer than what is then asked."""
    folder = tmp_path_factory.mktemp("stock") / "data"

    async def fill() -> dict[str, Any]:
        async with open_test_context(folder, storage=Storage()) as ctx:
            return await prepare(ctx)

    # In a thread, for it may be asked for first in the loop of a test.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lay_out, folder).result()
        return Stock(folder, thread.submit(lambda: asyncio.run(fill())).result())


@pytest.fixture
def known(stock: Stock) -> dict[str, Any]:
    """What only the registry knows."""
    return stock.known


@pytest.fixture
async def stocked(stock: Stock, tmp_path: Path) -> AsyncIterator[Context]:
    """A registry of this test's own with one of everything."""
    async with stock.opened(tmp_path) as ctx:
        yield ctx


async def prepare_link(ctx: Context, caller: Caller, registry: str) -> None:
    """There are networks and subnets, some with nothing in them, and a private link."""

    async def ask(name: str, **fields: Any) -> None:
        await run(ctx, caller, OPERATIONS[name], OPERATIONS[name].request(**fields))

    for vpc, cidr in (("vpc-lab", "10.7.0.0/16"), ("vpc-empty", "10.8.0.0/16")):
        await ask("CreateVpc", vpc_id=vpc, cidr_blocks=[cidr])
    for subnet, cidr in (("subnet-a", "10.7.1.0/24"), ("subnet-empty", "10.7.2.0/24")):
        await ask("CreateSubnet", vpc_id="vpc-lab", subnet_id=subnet, cidr_block=cidr, interface="eth-none")
    link = {"registry_id": registry, "vpc_id": "vpc-lab", "subnet_id": "subnet-a"}
    await ask("ManageInternalEndpoint", operation="Create", **link)


async def prepare_domain(ctx: Context, caller: Caller, registry: str) -> None:
    """There are certificates, and a host name with one of them."""
    values = {"chain": CERTIFICATE.chain.decode(), "sealed_key": b"", "names": "*.example.test", "issuer": ""}
    async with ctx.database.write() as tx:
        for name in ("certused", "certspare"):
            now = ctx.clock()
            await domains.put_certificate(tx, name, fingerprint=name, ends_at=now, created_at=now, **values)
    op = OPERATIONS["CreateInstanceCustomizedDomain"]
    fields = {"domain_name": "images.example.test", "certificate_id": "certused"}
    await run(ctx, caller, op, op.request(registry_id=registry, **fields))


async def prepare_trigger(ctx: Context, caller: Caller, registry: str) -> int:
    """There is a trigger; its number."""
    create = OPERATIONS["CreateWebhookTrigger"]
    asked = create.request(registry_id=registry, namespace="library", trigger=TRIGGER)
    number: int = (await run(ctx, caller, create, asked)).trigger.id
    return number


async def delivery_of(ctx: Context, caller: Caller, registry: str) -> int:
    """The number of the delivery that the push of the image has asked for."""
    look = OPERATIONS["DescribeWebhookTriggerLog"]
    (entry,) = (await run(ctx, caller, look, look.request(registry_id=registry, namespace="library"))).logs
    number: int = entry.id
    return number


async def prepare_access(ctx: Context, caller: Caller, uin: int) -> dict[str, Any]:
    """There are a policy with a version that is not in force, and a group with both."""

    async def ask(name: str, **fields: Any) -> Any:
        return await run(ctx, caller, OPERATIONS[name], OPERATIONS[name].request(**fields))

    document = USUAL["policy_document"]
    policy_id = (await ask("CreatePolicy", policy_name="readers", policy_document=document)).policy_id
    await ask("CreatePolicyVersion", policy_id=policy_id, policy_document=document, set_as_default=False)
    group_id = (await ask("CreateGroup", group_name="people")).group_id
    members = [Membership(group_id=group_id, uin=uin)]
    await ask("AddUserToGroup", info=members)
    return {
        "policy_id": policy_id,
        "version_id": 2,
        "group_id": group_id,
        "target_group_id": group_id,
        "attach_group_id": group_id,
        "detach_group_id": group_id,
        "target_uin": uin,
        "attach_uin": uin,
        "detach_uin": uin,
        "sub_uin": uin,
        "info": members,
    }


def request_for(op: AnyOperation, known: dict[str, Any]) -> Wire:
    values = {**USUAL, **known, **UNUSUAL.get(op.name, {})}
    if op.name == "ModifyWebhookTrigger":
        values["trigger"] = msgspec.structs.replace(TRIGGER, id=values["id"])
    for listed in {"DeletePolicy": ["policy_id"], "DeletePolicyVersion": ["version_id"]}.get(op.name, ()):
        values[listed] = [values[listed]]
    fields = msgspec.structs.fields(op.request)
    missing = [field.name for field in fields if field.required and field.name not in values]
    assert not missing, f"the matrix does not know what {op.name} needs: {missing}"
    request: Wire = op.request(**{field.name: values[field.name] for field in fields if field.name in values})
    return request


async def _disabled_owner(ctx: Context) -> Caller:
    """A disabled account has no way to become a caller at all."""
    asker = await owner_asker(ctx)
    await set_account_enabled(ctx, owner_login(ctx).username, False)
    async with ctx.database.read() as tx:
        return (await admit(ctx, tx, asker, None, None)).caller


async def _sub_account(ctx: Context) -> Caller:
    """Another one each time."""
    return await sub_caller(ctx, f"somebody-{random_id(8)}")


async def _nobody(ctx: Context) -> Caller:
    return nobody()


ROLES: dict[str, tuple[Callable[[Context], Awaitable[Caller]], type[AppError] | None]] = {
    "owner": (owner_caller, None),
    "sub-account without a policy": (_sub_account, AccessDenied),
    "nobody": (_nobody, NotAuthenticated),
}


async def test_a_disabled_owner_is_no_caller_at_all(ctx: Context) -> None:
    with pytest.raises(NotAuthenticated):
        await _disabled_owner(ctx)


async def check(ctx: Context, op: AnyOperation, known: dict[str, Any], role: str) -> None:
    """The operation does in that role what the role says."""
    request = request_for(op, known)
    become, refusal = ROLES[role]
    if refusal is None and op.name in ALWAYS:
        with pytest.raises(ALWAYS[op.name]):
            await run(ctx, await become(ctx), op, request)
    elif refusal is None or (refusal is AccessDenied and op.filtered and not op.changes):
        answer = await run(ctx, await become(ctx), op, request)
        assert type(answer) is op.answer
        assert msgspec.json.decode(msgspec.json.encode(answer), type=op.answer) == answer
    else:
        with pytest.raises(refusal):
            await run(ctx, await become(ctx), op, request)


@pytest.mark.parametrize("op", operations(changing=True))
async def test_the_owner_changes_whatever_can_be_changed(
    stocked: Context, known: dict[str, Any], op: AnyOperation
) -> None:
    await check(stocked, op, known, "owner")


@pytest.mark.parametrize("role", ROLES)
async def test_every_operation_in_every_role(stocked: Context, known: dict[str, Any], role: str) -> None:
    """All in one registry, for what only reads or is refused leaves everything as it was."""
    for op in OPERATIONS.values():
        if role != "owner" or not op.changes:
            try:
                await check(stocked, op, known, role)
            except BaseException as error:
                error.add_note(f"the operation was {op.name}")
                raise


def test_every_declared_operation_is_in_the_table() -> None:
    declared = {
        value.name
        for module in pkgutil.iter_modules(roadstead.services.__path__)
        for value in vars(import_module(f"roadstead.services.{module.name}")).values()
        if isinstance(value, Operation)
    }
    assert declared == set(OPERATIONS)


@pytest.mark.parametrize("op", operations())
def test_an_operation_is_declared_whole(op: AnyOperation) -> None:
    assert op.summary.endswith(".")
    # A temporary key is got, as the cloud's API has it, by making one.
    assert op.changes is (op.name == "GetFederationToken" or not op.name.startswith(READING))
    assert op.resource.partition("/")[0] in KINDS[op.service]
    for wire in (op.request, op.answer):
        assert issubclass(wire, Wire) and wire.__doc__
        for field in msgspec.structs.fields(wire):
            assert re.fullmatch("[A-Z][A-Za-z0-9]*", field.encode_name)
    named = re.findall(r"{(\w+)}", op.resource)
    assert set(named) <= set(op.request.__struct_fields__)
    assert (op.paging is not None) is issubclass(op.request, PageRequest) is issubclass(op.answer, PageAnswer)
