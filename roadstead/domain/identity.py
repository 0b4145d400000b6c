"""Who asks: the caller of one request, as every door and every permission check sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from roadstead.domain.policy import NOTHING, Rights
from roadstead.domain.scope import Scope


class CredentialKind(StrEnum):
    """By what a caller is known."""

    NONE = "none"
    LONG_TERM = "longterm"
    TEMPORARY = "temp"
    API_KEY = "apikey"
    TEMPORARY_KEY = "tempkey"
    SERVICE_ACCOUNT = "service"
    SESSION = "session"
    LOCAL = "local"


class Door(StrEnum):
    """Where a request came in."""

    REGISTRY = "registry"
    CHARTS = "charts"
    TOKEN = "token"  # noqa: S105
    ACTIONS = "actions"
    API = "api"
    COMMAND = "command"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one request came from, for the audit."""

    door: Door
    address: str
    request_id: str
    # The address of this host that the connection came to; empty for what is no connection.
    local: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated account, or nobody, and what its token narrows it to."""

    account_id: int | None
    uin: str
    owner_uin: str
    kind: CredentialKind
    origin: Origin
    credential_id: str = ""
    # None: everything the account may; otherwise only what these scopes name.
    scopes: tuple[Scope, ...] | None = None
    # What its policies allow it.
    rights: Rights = NOTHING

    @property
    def anonymous(self) -> bool:
        """Whether nobody logged in."""
        return self.account_id is None

    @property
    def owner(self) -> bool:
        """Whether this is the account that owns the deployment."""
        return self.account_id is not None and self.uin == self.owner_uin

    @property
    def name(self) -> str:
        """The caller's name in events and audit."""
        return self.uin or "anonymous"


def anonymous(origin: Origin, scopes: tuple[Scope, ...] | None = None) -> Caller:
    """Nobody in particular."""
    return Caller(None, "", "", CredentialKind.NONE, origin, scopes=scopes)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows to be known by. Signatures are checked; whether the account still may is not."""

    kind: CredentialKind
    uin: str = ""
    credential_id: str = ""
    # The hash of the secret that came with a long-term credential.
    secret_hash: str = ""
    scopes: tuple[Scope, ...] | None = None


NOBODY = Presented(CredentialKind.NONE)
