"""Custom domains and the certificates kept for them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from roadstead.errors import AlreadyExists, CertificateInvalid, NameInvalid, NotFound, OperationRefused
from roadstead.metadata import audit
from roadstead.services import certificates, domains
from roadstead.services.context import Context
from tests.factories.asgi import open_client
from tests.factories.calls import call
from tests.factories.certificates import own_certificate
from tests.factories.instances import ask, create, work_off

HOST = "images.example.test"


async def upload(ctx: Context, name: str = "*.example.test", alias: str = "") -> str:
    made = own_certificate(name)
    fields = {"certificate_public_key": made.chain.decode(), "certificate_private_key": made.key.decode()}
    found: str = (await call(ctx, certificates.upload_certificate, alias=alias, **fields)).certificate_id
    return found


async def add(ctx: Context, host: str = HOST, *, certificate: str) -> None:
    await call(ctx, domains.create_instance_customized_domain, domain_name=host, certificate_id=certificate)


async def listed(ctx: Context, **page: Any) -> list[tuple[str, str, str]]:
    found = await call(ctx, domains.describe_instance_customized_domain, **page)
    return [(each.domain_name, each.cert_id, each.status) for each in found.domain_info_list]


async def test_a_host_name_of_its_own_leads_to_the_instance_with_its_certificate(ctx: Context) -> None:
    made = await upload(ctx)
    await add(ctx, " Images.Example.TEST.", certificate=made)
    assert await listed(ctx) == [(HOST, made, "SUCCESS")]
    assert ctx.certificates.find(HOST) is None
    await ctx.certificates.refresh(ctx)
    found = ctx.certificates.find(HOST)
    assert found is not None and found.names == ("*.example.test",)
    assert ctx.certificates.find("another.example.test") is found
    assert ctx.certificates.find("elsewhere.test") is None
    assert ctx.instances.label(f"{HOST}:443") == "default"
    await call(ctx, domains.delete_instance_customized_domain, domain_name=HOST)
    assert await listed(ctx) == []
    with pytest.raises(NotFound):
        await call(ctx, domains.delete_instance_customized_domain, domain_name=HOST)


async def test_another_instance_is_reached_by_it(ctx: Context) -> None:
    other = await create(ctx, "other")
    await work_off(ctx)
    made = await upload(ctx)
    fields = {"domain_name": HOST, "certificate_id": made}
    op = domains.create_instance_customized_domain
    await ask(ctx, op, registry_id=other, **fields)
    with pytest.raises(AlreadyExists):
        await add(ctx, certificate=made)
    await ctx.certificates.refresh(ctx)
    async with open_client(ctx, host=HOST) as client:
        answer = await client.get("/v2/")
    assert answer.headers["www-authenticate"] == f'Bearer realm="http://{HOST}/service/token",service="{other}"'


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("", NameInvalid),
        ("images", NameInvalid),
        ("a b.test", NameInvalid),
        ("-a.test", NameInvalid),
        ("192.0.2.1", NameInvalid),
        ("a..test", NameInvalid),
        ("https://a.test", NameInvalid),
        (f"{'a' * 64}.test", NameInvalid),
        ("shop.localhost", NameInvalid),
        ("deep.images.example.test", CertificateInvalid),
        ("example.test", CertificateInvalid),
    ],
)
async def test_what_can_be_no_host_name_of_its_own(ctx: Context, host: str, error: type[Exception]) -> None:
    made = await upload(ctx)
    with pytest.raises(error):
        await add(ctx, host, certificate=made)
    with pytest.raises(NotFound, match="roadstead tls list"):
        await add(ctx, certificate="nothing")


async def test_a_renewed_certificate_takes_the_place_of_the_former(ctx: Context) -> None:
    made = await upload(ctx, alias="images")
    await add(ctx, certificate=made)
    await ctx.certificates.refresh(ctx)
    before = ctx.certificates.find(HOST)
    renewed, wrong = own_certificate(HOST), own_certificate("other.test")
    op = certificates.modify_certificate
    with pytest.raises(CertificateInvalid, match=HOST):
        await call(ctx, op, certificate_id=made, **_pem(wrong))
    answer = await call(ctx, op, certificate_id=made, **_pem(renewed))
    assert (answer.subject_alt_names, answer.alias) == ([HOST], "images")
    await ctx.certificates.refresh(ctx)
    after = ctx.certificates.find(HOST)
    assert before is not None and after is not None and after.chain == renewed.chain != before.chain
    with pytest.raises(OperationRefused, match=HOST):
        await call(ctx, certificates.delete_certificate, certificate_id=made)
    await call(ctx, domains.delete_instance_customized_domain, domain_name=HOST)
    await call(ctx, certificates.delete_certificate, certificate_id=made)
    await ctx.certificates.refresh(ctx)
    assert ctx.certificates.find(HOST) is None
    assert (await call(ctx, certificates.describe_certificates)).certificates == []


def _pem(made: Any) -> dict[str, str]:
    return {"certificate_public_key": made.chain.decode(), "certificate_private_key": made.key.decode()}


async def test_the_key_is_kept_encrypted_and_told_nowhere(ctx: Context) -> None:
    made = own_certificate("*.example.test")
    secret = made.key.decode().splitlines()[1]
    answer = await call(ctx, certificates.upload_certificate, **_pem(made))
    shown = await call(ctx, certificates.describe_certificates)
    async with ctx.database.read() as tx:
        entries = (await audit.search(tx, audit.Search(outcome="done"), 0, 10)).entries
    told = [msgspec.json.encode(answer), msgspec.json.encode(shown), repr(entries).encode()]
    assert not [text for text in told if secret.encode() in text]
    stored = (ctx.settings.folder / "roadstead.db").read_bytes()
    stored += (ctx.settings.folder / "roadstead.db-wal").read_bytes()
    assert made.chain.splitlines()[1] in stored and secret.encode() not in stored


async def test_a_page_at_a_time(ctx: Context) -> None:
    made = await upload(ctx)
    for name in ("c", "a", "b"):
        await add(ctx, f"{name}.example.test", certificate=made)
    assert [host for host, _, _ in await listed(ctx, limit=2)] == ["a.example.test", "b.example.test"]
    assert [host for host, _, _ in await listed(ctx, limit=2, offset=2)] == ["c.example.test"]
    found = await call(ctx, domains.describe_instance_customized_domain, limit=1)
    assert (found.total_count, found.last) == (3, "a.example.test")
    assert [host for host, _, _ in await listed(ctx, last="a.example.test")] == ["b.example.test", "c.example.test"]
