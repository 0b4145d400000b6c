"""What somebody may do, told without doing it: the verdict, the gate, and the statement that decided.

The same evaluator answers as for a real request. What only a request has (its token, the network it comes through)
is not asked; its address is, where a condition needs one.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from roadstead.domain.identity import Caller, CredentialKind, Origin
from roadstead.domain.policy import EVERYTHING, Decision, Rights
from roadstead.domain.policy_documents import parse
from roadstead.errors import AccountUnknown, GroupUnknown, InvalidInput, PolicyInvalid
from roadstead.metadata import accounts, instances, namespaces, policy_documents, rights
from roadstead.metadata.accounts import Account
from roadstead.services.fields import AccountUin, GroupId, PolicyDocument
from roadstead.services.groups import existing as existing_group
from roadstead.services.operations import Call, Wire, operation
from roadstead.services.policies import decide
from roadstead.services.rights import compiled

# What decisions call the document that was given with the request.
GIVEN = "(given)"


class SimulatePolicy(Wire, frozen=True, kw_only=True):
    """Who, what and on what. Without Uin, GroupId and PolicyDocument the caller asks about itself."""

    action: Annotated[str, Meta(description="The action, for example `tcr:PullRepository`.", max_length=100)]
    resource: Annotated[
        str,
        Meta(
            description="The resource, whole (`qcs::tcr:REGION:uin/OWNER:PATH`) or as its path alone, for example "
            "`repository/tcr-12345678/prod/web`.",
            max_length=600,
        ),
    ]
    uin: AccountUin | None = None
    group_id: GroupId | None = None
    policy_document: Annotated[
        PolicyDocument | None, Meta(description="A policy that need not exist, asked for itself alone.")
    ] = None
    address: Annotated[
        str, Meta(description="From which address, for conditions on qcs:ip; empty: the caller's own.", max_length=60)
    ] = ""


class SimulatedDecision(Wire, frozen=True, kw_only=True):
    """The decision."""

    allowed: Annotated[bool, Meta(description="Whether it would be allowed.")]
    gate: Annotated[str, Meta(description="Which gate decides: credential or policy.")]
    reason: Annotated[str, Meta(description="Why, in words.")]
    policy: Annotated[str, Meta(description="Name of the policy that decided; empty when none did.")]
    statement: Annotated[int | None, Meta(description="Place of its statement, from 0; null when none decided.")]
    text: Annotated[str, Meta(description="The statement itself, as JSON; empty when none decided.")]


@operation(
    resource="uin/{uin}",
    changes=False,
    filtered=True,
    service="cam",
    raises=(AccountUnknown, GroupUnknown, PolicyInvalid),
)
async def simulate_policy(call: Call, request: SimulatePolicy) -> SimulatedDecision:
    """Say whether a user, a group's policies or a document would allow an action, and which statement decides."""
    if sum(each is not None for each in (request.uin, request.group_id, request.policy_document)) > 1:
        raise InvalidInput("one of Uin, GroupId and PolicyDocument is enough")
    action = _action(request.action)
    asker, problem = await _asker(call, request)
    service, region, path = _resource(request.resource, action)
    if service != action.partition(":")[0]:
        raise InvalidInput(f"{action} is no action of the service {service}: the resource is of another one")
    instance = await _instance_of(call, path, region)
    public = await _public(call, instance, path)
    decision = Decision(False, "credential", problem)
    if not problem:
        decision = decide(asker, action, instance, path, now=call.now, public=public)
    text = await _statement_text(call, decision, request.policy_document)
    return SimulatedDecision(
        allowed=decision.allowed,
        gate=decision.gate,
        reason=decision.reason,
        policy=decision.policy,
        statement=decision.statement if decision.policy else None,
        text=text,
    )


async def _asker(call: Call, request: SimulatePolicy) -> tuple[Caller, str]:
    """The caller as whom the question is asked, and why nobody could log in as it."""
    caller = call.caller
    address = request.address or caller.origin.address
    origin = Origin(caller.origin.door, address, caller.origin.request_id)
    held: Rights = caller.rights
    account, uin, problem = None, caller.uin, ""
    if request.uin is not None:
        if str(request.uin) != caller.uin:
            call.require("cam:SimulatePolicy", f"uin/{request.uin}")
        account = await accounts.get(call.tx, uin=str(request.uin))
        if account is None:
            raise AccountUnknown(f"there is no user {request.uin}")
        uin, held = account.uin, await _rights(call, account)
        problem = "" if account.enabled else f"the account {account.uin} is disabled"
    elif request.group_id is not None:
        call.require("cam:SimulatePolicy", f"groupid/{request.group_id}")
        group = await existing_group(call.tx, request.group_id)
        uin, held = "", compiled(await rights.group_documents(call.tx, group.id))
    elif request.policy_document is not None:
        parse(request.policy_document)
        uin, held = "", compiled([(GIVEN, request.policy_document)])
    asker = Caller(-1, uin, caller.owner_uin, CredentialKind.NONE, origin, rights=held)
    return asker, problem


async def _rights(call: Call, account: Account) -> Rights:
    if account.owner:
        return EVERYTHING
    return compiled(await rights.documents(call.tx, account.id))


def _action(text: str) -> str:
    service, colon, name = text.removeprefix("name/").partition(":")
    if not colon or not service or not name or not name.replace("_", "").isalnum():
        raise InvalidInput(f"{text!r} is not an action; write it like tcr:PullRepository")
    return f"{service}:{name}"


def _resource(text: str, action: str) -> tuple[str, str, str]:
    """Service, region and path of a resource that is asked for."""
    if not text.startswith("qcs:"):
        return action.partition(":")[0], "", text
    parts = text.split(":", 5)
    if len(parts) != 6 or not parts[5]:
        raise InvalidInput(f"{text[:120]!r} is not a resource; write qcs::SERVICE:REGION:ACCOUNT:PATH or its PATH")
    return parts[2] or action.partition(":")[0], parts[3], parts[5]


async def _instance_of(call: Call, path: str, region: str) -> instances.Instance | None:
    """The instance that the path names, whose region and openness count."""
    kind, _, rest = path.partition("/")
    registry_id = rest.partition("/")[0]
    if kind not in {"instance", "repository"} or not registry_id.startswith("tcr-"):
        return None
    found = await instances.get(call.tx, registry_id=registry_id)
    if found is not None and region and found.region != region:
        raise InvalidInput(f"the instance {registry_id} is in the region {found.region}, not in {region}")
    return found


async def _public(call: Call, instance: instances.Instance | None, path: str) -> bool:
    parts = path.split("/")
    if instance is None or len(parts) < 4:
        return False
    namespace = await namespaces.get(call.tx, instance.id, parts[2])
    return namespace is not None and namespace.public


async def _statement_text(call: Call, decision: Decision, given: str | None) -> str:
    """The statement that decided, as it was written."""
    if not decision.policy:
        return ""
    document = given
    if given is None:
        policy = await policy_documents.get(call.tx, name=decision.policy)
        version = None if policy is None else await policy_documents.version(call.tx, policy.id, policy.version)
        document = None if version is None else version.document
    if document is None:
        return ""
    written: Any = msgspec.json.decode(document)["statement"]
    statements = written if isinstance(written, list) else [written]
    return msgspec.json.encode(statements[decision.statement]).decode()
