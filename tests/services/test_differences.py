"""What the audit shows of a change: how things stood before and after, and never a secret."""

from __future__ import annotations

from typing import Any

import msgspec

from roadstead.metadata import audit
from roadstead.services.context import Context
from roadstead.services.groups import Membership
from roadstead.services.networks import PolicyEntry
from roadstead.services.service_accounts import Permission
from roadstead.services.table import OPERATIONS
from tests.factories.calls import call
from tests.factories.policies import allow, document

Told = tuple[Any, Any]


class Changes:
    """Changes by the owner, and the secrets that their answers showed."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.secrets: list[str] = []

    async def __call__(self, action: str, /, **fields: Any) -> Any:
        """The operation's answer."""
        answer = await call(self.ctx, OPERATIONS[action], **fields)
        told = msgspec.to_builtins(answer)
        for key in ("Token", "Password", "SecretKey"):
            if told.get(key):
                self.secrets.append(told[key].rpartition(".")[2])
        return answer

    async def told(self) -> list[tuple[str, Told]]:
        """Each action with what stood before and after it, oldest first."""
        async with self.ctx.database.read() as tx:
            found = await audit.search(tx, audit.Search(outcome="done"), 0, 100)
        entries = [entry for _, entry in reversed(found.entries)]
        for entry in entries:
            assert not [each for each in self.secrets if each in f"{entry.data}{entry.before}{entry.after}"]
        return [(entry.action.partition(":")[2], (_read(entry.before), _read(entry.after))) for entry in entries]


def _read(text: str) -> Any:
    return msgspec.json.decode(text) if text else None


async def test_credentials_and_service_accounts(ctx: Context) -> None:
    do = Changes(ctx)
    token = await do("CreateInstanceToken", token_type="longterm", desc="build")
    await do("ModifyInstanceToken", token_id=token.token_id, modify_flag=2, enable=False)
    await do("DeleteInstanceToken", token_id=token.token_id)
    given = [Permission(resource="library", actions=["tcr:PullRepository"])]
    await do("CreateServiceAccount", name="ci", permissions=given, duration=1)
    await do("ModifyServiceAccountPassword", name="ci", random=True)
    await do("ModifyServiceAccount", name="ci", disable=True)
    await do("DeleteServiceAccount", name="ci")
    assert len(do.secrets) == 3
    told = await do.told()
    (_, made), (_, modified), (_, deleted), (_, created), (_, password), (_, disabled), (_, gone) = told
    assert (made[0], made[1]["Desc"], made[1]["Id"]) == (None, "build", token.token_id)
    assert [side["Enabled"] for side in modified] == [True, False]
    assert deleted[0]["Id"] == token.token_id and deleted[1] is None
    assert created[0] is None and created[1]["Name"] == "tcr$ci"
    assert [side["Name"] for side in password] == ["tcr$ci", "tcr$ci"]
    assert [side["Disable"] for side in disabled] == [False, True]
    assert gone[0]["Name"] == "tcr$ci" and gone[1] is None


async def test_users_keys_groups_and_policies(ctx: Context) -> None:
    do = Changes(ctx)
    user = await do("AddUser", name="bob", console_login=1, use_api=1)
    await do("UpdateAccessKey", target_uin=user.uin, access_key_id=user.secret_id, status="Inactive")
    group = await do("CreateGroup", group_name="readers")
    members = [Membership(group_id=group.group_id, uin=user.uin)]
    await do("AddUserToGroup", info=members)
    await do("RemoveUserFromGroup", info=members)
    text = document(allow("tcr:Describe*", "*"))
    policy = (await do("CreatePolicy", policy_name="look", policy_document=text)).policy_id
    await do("CreatePolicyVersion", policy_id=policy, policy_document=text, set_as_default=False)
    await do("SetDefaultPolicyVersion", policy_id=policy, version_id=2)
    await do("DeletePolicyVersion", policy_id=policy, version_id=[1])
    await do("AttachUserPolicy", policy_id=policy, attach_uin=user.uin)
    await do("DetachUserPolicy", policy_id=policy, detach_uin=user.uin)
    await do("AttachGroupPolicy", policy_id=policy, attach_group_id=group.group_id)
    await do("DetachGroupPolicy", policy_id=policy, detach_group_id=group.group_id)
    await do("DeletePolicy", policy_id=[policy])
    assert len(do.secrets) == 2
    told = dict(await do.told())
    assert told["AddUser"][1]["Name"] == "bob"
    assert [side["Status"] for side in told["UpdateAccessKey"]] == ["Active", "Inactive"]
    assert told["CreateGroup"][1]["GroupName"] == "readers"
    assert told["AddUserToGroup"] == tuple(reversed(told["RemoveUserFromGroup"]))
    assert told["AddUserToGroup"][0] is None and told["AddUserToGroup"][1]["Info"][0]["Uin"] == user.uin
    assert told["CreatePolicy"][1]["PolicyDocument"] == text
    assert told["CreatePolicyVersion"][1]["VersionId"] == 2
    assert [side["VersionId"] for side in told["SetDefaultPolicyVersion"]] == [1, 2]
    assert told["DeletePolicyVersion"][0]["Versions"][0]["VersionId"] == 1
    of_user, of_group = (
        {"Policy": "look", "User": "bob", "Group": ""},
        {"Policy": "look", "User": "", "Group": "readers"},
    )
    assert (told["AttachUserPolicy"], told["DetachUserPolicy"]) == ((None, of_user), (of_user, None))
    assert (told["AttachGroupPolicy"], told["DetachGroupPolicy"]) == ((None, of_group), (of_group, None))
    assert told["DeletePolicy"][0]["Policies"][0]["PolicyName"] == "look"


async def test_networks(ctx: Context) -> None:
    do = Changes(ctx)
    await do("ManageExternalEndpoint", operation="Create")
    await do("CreateSecurityPolicy", cidr_block="192.0.2.0/24", description="office")
    several = [PolicyEntry(cidr_block="198.51.100.1"), PolicyEntry(cidr_block="203.0.113.0/24")]
    await do("CreateMultipleSecurityPolicy", security_group_policy_set=several)
    await do("ModifySecurityPolicy", policy_index=0, cidr_block="192.0.2.1", description="")
    await do("DeleteSecurityPolicy", cidr_block="192.0.2.1")
    await do("DeleteMultipleSecurityPolicy", security_group_policy_set=several)
    (_, opened), *lists = await do.told()
    assert [side["Status"] for side in opened] == ["Closed", "Opening"]
    seen = [[[row["CidrBlock"] for row in side["SecurityPolicySet"]] for side in told] for _, told in lists]
    both = ["198.51.100.1", "203.0.113.0/24"]
    assert seen == [
        [[], ["192.0.2.0/24"]],
        [["192.0.2.0/24"], ["192.0.2.0/24", *both]],
        [["192.0.2.0/24", *both], ["192.0.2.1", *both]],
        [["192.0.2.1", *both], both],
        [both, []],
    ]
