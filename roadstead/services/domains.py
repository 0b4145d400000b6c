"""Custom domains: host names that an instance has beside its own below the base domain, each with a certificate."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from roadstead.domain.certificates import covers
from roadstead.errors import AlreadyExists, CertificateInvalid, NameInvalid, NotFound
from roadstead.metadata import domains
from roadstead.metadata.domains import CustomDomain
from roadstead.services.certificates import CertificateId, existing
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation

_INSTANCE = "instance/{registry_id}"
_NAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")

DomainName = Annotated[str, Meta(description="Host name, for example `images.example.com`.", max_length=254)]


class CreateInstanceCustomizedDomain(Wire, frozen=True, kw_only=True):
    """A host name by which the instance shall be reached too."""

    registry_id: RegistryId
    domain_name: DomainName
    certificate_id: CertificateId


class DeleteInstanceCustomizedDomain(Wire, frozen=True, kw_only=True):
    """Which host name shall be the instance's no more."""

    registry_id: RegistryId
    domain_name: DomainName
    certificate_id: Annotated[str, Meta(description="Id of its certificate; not needed.", max_length=12)] = ""


class DescribeInstanceCustomizedDomain(PageRequest, frozen=True, kw_only=True):
    """Which page of an instance's host names."""

    registry_id: RegistryId


class CustomizedDomainInfo(Wire, frozen=True, kw_only=True):
    """One host name."""

    registry_id: RegistryId
    cert_id: CertificateId
    domain_name: DomainName
    status: Annotated[
        Literal["SUCCESS"], Meta(description="How it stands; it is served within a second of its creation.")
    ] = "SUCCESS"


class CustomizedDomainPage(PageAnswer, frozen=True, kw_only=True):
    """Host names, by name."""

    domain_info_list: Annotated[list[CustomizedDomainInfo], Meta(description="The host names.")]


@operation(resource=_INSTANCE, changes=True, raises=(NameInvalid, NotFound, AlreadyExists, CertificateInvalid))
async def create_instance_customized_domain(call: Call, request: CreateInstanceCustomizedDomain) -> Done:
    """Give an instance a further host name, with the certificate for it."""
    name = _host(call, request.domain_name)
    certificate = await existing(call.tx, request.certificate_id, lock=True)
    if not covers(certificate.names.split(), name):
        raise CertificateInvalid(f"the certificate is for {certificate.names}, not for {name}")
    if not await domains.add_domain(call.tx, call.here.id, name, certificate.id, call.now):
        raise AlreadyExists(f"the host name {name} is an instance's already")
    call.changed(None, _info(call, CustomDomain(name, certificate.certificate_id, call.here.name)))
    return Done()


@operation(resource=_INSTANCE, changes=True, raises=(NotFound,))
async def delete_instance_customized_domain(call: Call, request: DeleteInstanceCustomizedDomain) -> Done:
    """Take a further host name from an instance; its certificate stays."""
    name = request.domain_name.strip().rstrip(".").lower()
    if not await domains.remove_domain(call.tx, call.here.id, name):
        raise NotFound(f"the instance {call.here.name!r} has no host name {name[:60]!r} of its own")
    return Done()


@operation(resource=_INSTANCE, changes=False, paging="record")
async def describe_instance_customized_domain(
    call: Call, request: DescribeInstanceCustomizedDomain
) -> CustomizedDomainPage:
    """List the further host names of an instance."""
    which = call.slice(request)
    rows = await domains.domains_of(call.tx, call.here.id, which.last, which.most, skip=which.skip)
    return CustomizedDomainPage(
        domain_info_list=[_info(call, row) for row in rows],
        total_count=await domains.count_domains(call.tx, call.here.id) if which.counted else None,
        last=which.next([row.domain for row in rows]),
    )


def _host(call: Call, text: str) -> str:
    """The host name as it is kept; raises NameInvalid for what is none, or what the base domain has already."""
    name = text.strip().rstrip(".").lower()
    if not _NAME.fullmatch(name):
        raise NameInvalid(f"{text[:60]!r} is not a host name like images.example.com")
    base = call.ctx.settings.base_domain.lower().strip(".")
    if name == base or name.endswith(f".{base}"):
        raise NameInvalid(f"names below {base} are those of the instances themselves")
    return name


def _info(call: Call, row: CustomDomain) -> CustomizedDomainInfo:
    return CustomizedDomainInfo(registry_id=call.here.registry_id, cert_id=row.certificate_id, domain_name=row.domain)
