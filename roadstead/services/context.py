"""What every service works with: one frozen value, made by the composition root, passed to whoever needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roadstead.blobs.store import BlobStore
from roadstead.clients.oidc import OidcClient
from roadstead.clients.outbound import Outbound
from roadstead.config import Settings
from roadstead.domain.proxies import Proxies
from roadstead.jobs.queue import JobTable
from roadstead.metadata.database import Database
from roadstead.services.chart_indexes import ChartIndexes
from roadstead.services.event_feed import EventFeed
from roadstead.services.instances import InstanceDirectory
from roadstead.services.key_uses import KeyUses
from roadstead.services.logins import LoginGuard
from roadstead.services.memory import Admissions, Recent
from roadstead.services.meters import Meters
from roadstead.services.passwords import Passwords
from roadstead.services.refusals import Refusals
from roadstead.services.rights import RightsMemory
from roadstead.services.secrets import SecretBox
from roadstead.services.tokens import KeyRing
from roadstead.services.tolls import Tolls

if TYPE_CHECKING:
    from roadstead.services.certificates import StoredCertificates
    from roadstead.services.link_keeping import LinkKeeper
    from roadstead.services.overview import OverviewMemory
    from roadstead.services.pulls import Pulls
    from roadstead.services.triggering import TriggerMemory


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one process. Nothing else in the process is shared between requests."""

    settings: Settings
    database: Database
    # One store per region that this deployment serves.
    stores: Mapping[str, BlobStore]
    clock: Callable[[], datetime]
    jobs: JobTable[Context]
    secrets: SecretBox
    keys: KeyRing
    logins: LoginGuard
    instances: InstanceDirectory
    proxies: Proxies
    recent: Recent
    charts: ChartIndexes
    admissions: Admissions[Any]
    rights: RightsMemory
    key_uses: KeyUses
    refusals: Refusals
    pulls: Pulls
    feed: EventFeed
    links: LinkKeeper
    meters: Meters
    tolls: Tolls
    certificates: StoredCertificates
    triggers: TriggerMemory
    overviews: OverviewMemory
    passwords: Passwords
    outbound: Outbound
    oidc: OidcClient

    def store(self, region: str) -> BlobStore:
        """The byte store of a region that this deployment serves."""
        return self.stores[region]
