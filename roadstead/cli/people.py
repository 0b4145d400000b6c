"""Users, groups and policies as commands name them: by name, or by number."""

from __future__ import annotations

from roadstead.cli.session import Session
from roadstead.errors import GroupUnknown, PolicyUnknown
from roadstead.services import groups, policy_documents, users


async def user_of(session: Session, text: str) -> int:
    """The number of the user of that name or number; raises AccountUnknown for a name that nobody has."""
    if _is_number(text):
        return int(text)
    return (await session.call(users.get_user, name=text)).uin


async def group_of(session: Session, text: str) -> int:
    """The number of the group of that name or number; raises GroupUnknown for a name that none has."""
    rows = await session.every(groups.list_groups, "group_info", keyword=text)
    for row in rows:
        if row.group_name == text:
            return int(row.group_id)
    if _is_number(text):
        return int(text)
    raise GroupUnknown(f"there is no group {text!r}; see: roadstead group list")


async def policy_of(session: Session, text: str) -> int:
    """The number of the policy of that name or number; raises PolicyUnknown for a name that none has."""
    rows = await session.every(policy_documents.list_policies, "list_", keyword=text)
    for row in rows:
        if row.policy_name == text:
            return int(row.policy_id)
    if _is_number(text):
        return int(text)
    raise PolicyUnknown(f"there is no policy {text!r}; see: roadstead policy list")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
