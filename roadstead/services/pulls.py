"""Pulls: counted in memory while clients are served, written in batches beside them.

A pull is a GET of a manifest that is answered with its bytes. What of it waits here is written once a second in one
transaction per batch, events and counts together; a killed process loses at most its last second. Three things
that clients do make one pull of several requests, whichever processes serve them (`services/expected_pulls.py`):

- A client that asks for a tag by HEAD and then for the digest it was told has pulled the tag.
- A client that gets an index and then members of it, within a minute, has pulled the index.

- Helm with `--verify` asks for a signed chart twice, for the archive and for its provenance file.

Helm 4 gets what it pushes before it tags it, which is no pull.

Each pull is an event, up to ten alike (same client, same image) in a second; further ones are counted on the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

import structlog

from roadstead.domain import manifest as documents
from roadstead.domain.charts import CONFIG_TYPE, PROVENANCE_TYPE
from roadstead.domain.identity import Caller
from roadstead.domain.reference import RepositoryName
from roadstead.domain.versions import of_tag
from roadstead.metadata import charts, pulls
from roadstead.metadata.access import StoredManifest
from roadstead.metadata.database import Tx
from roadstead.metadata.pulls import Counted
from roadstead.services.access import Admitted, Asker
from roadstead.services.context import Context
from roadstead.services.events import ChartDownloaded, Event, Happened, ImagePulled, Place, record_all
from roadstead.services.expected_pulls import Client, ExpectedPulls

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

# Events of their own within a second, of one client and image.
_OF_A_KIND = 10
# Clients and images that wait at once: far more than a process can serve in a second.
_WAITING = 20_000
_MEMBERS = 100
_BATCH = 500
_EXPECTED_TIME = timedelta(minutes=1)
_AGAIN_TIME = timedelta(seconds=5)
_LAST_TRIES = 20
_LAST_PAUSE = 0.05

_Key = tuple[int, str, Client]


class Pulled(NamedTuple):
    """What a client was given. A tuple, because one is made for each pull."""

    place: Place
    caller: Caller
    repository_id: int
    name: RepositoryName
    stored: StoredManifest
    # Empty when it was asked for by digest.
    tag: str


@dataclass(slots=True)
class _Alike:
    """Pulls of one client and image that wait."""

    pulled: Pulled
    tag: str
    last: datetime
    times: list[datetime] = field(default_factory=list)
    more: int = 0

    def add(self, times: Iterable[datetime], more: int = 0) -> None:
        for at in times:
            self.last = max(self.last, at)
            if len(self.times) < _OF_A_KIND:
                self.times.append(at)
            else:
                self.more += 1
        self.more += more

    def counted(self) -> Counted:
        pulled = self.pulled
        return Counted(pulled.repository_id, pulled.stored.id, self.tag, len(self.times) + self.more, self.last)

    def happened(self, version: str) -> list[Happened]:
        """Each pull; `version` is that of the chart which the manifest is, empty for anything else."""
        return [
            Happened(
                self.pulled.place,
                self.pulled.caller,
                self._event(1 + self.more * (place == len(self.times)), version),
                at,
            )
            for place, at in enumerate(self.times, 1)
        ]

    def _event(self, count: int, version: str) -> Event:
        pulled = self.pulled
        if version:
            return ChartDownloaded(
                namespace=pulled.name.namespace, repository=str(pulled.name), version=version, pulls=count
            )
        return ImagePulled(
            namespace=pulled.name.namespace,
            repository=str(pulled.name),
            digest=pulled.stored.digest,
            media_type=pulled.stored.media_type,
            tag=self.tag,
            pulls=count,
        )


class Pulls:
    """The pulls of this process that are not written down yet, and what clients are expected to ask for next."""

    def __init__(self, expected: ExpectedPulls) -> None:
        self._waiting: dict[_Key, _Alike] = {}
        self._lost = 0
        self._expected = expected

    def expect_tag(self, client: Client, repository_id: int, digest: str, tag: str, now: datetime) -> None:
        """A pull of the digest by that client within a minute is one of the tag, for which it has just asked."""
        self._expected.add(client, repository_id, digest, tag, now + _EXPECTED_TIME)

    def expect_members(self, client: Client, repository_id: int, digests: Iterable[str], now: datetime) -> None:
        """Pulls of the digests by that client within a minute are part of the index that it has just pulled."""
        for digest in islice(digests, _MEMBERS):
            self._expected.add(client, repository_id, digest, None, now + _EXPECTED_TIME)

    def expect_again(self, client: Client, repository_id: int, digest: str, now: datetime) -> bool:
        """Whether this is the second half of a pull; if not, it is the first, and the second may come soon."""
        half = f"{digest} again"
        second = self._expected.find(client, repository_id, half, now) is None
        self._expected.add(client, repository_id, half, None, now if second else now + _AGAIN_TIME)
        return second

    def note(self, client: Client, pulled: Pulled, now: datetime) -> None:
        """The pull will be written within a second, unless it is part of one that was noted before."""
        tag = pulled.tag or self._expected.find(client, pulled.repository_id, pulled.stored.digest, now)
        if tag is None:
            return
        if self.again(client, pulled.stored.id, tag, now):
            return
        if len(self._waiting) >= _WAITING:
            self._lost += 1
            return
        self._waiting[pulled.stored.id, tag, client] = _Alike(pulled, tag, now, [now])

    def again(self, client: Client, manifest_id: int, tag: str, now: datetime) -> bool:
        """Whether such a pull waits already; then this one is counted with it."""
        alike = self._waiting.get((manifest_id, tag, client))
        if alike is None:
            return False
        alike.last = now
        if len(alike.times) < _OF_A_KIND:
            alike.times.append(now)
        else:
            alike.more += 1
        return True

    async def write_down(self, ctx: Context) -> None:
        """What has waited is in the event log and counted; raises what the database raises, and all waits on.

        Pulls of a repository that a push is just changing wait for the next time.
        """
        if self._lost:
            _log.warning("pulls were too many to be counted", lost=self._lost)
            self._lost = 0
        noted, self._waiting = self._waiting, {}
        items = iter(noted.items())
        batch: dict[_Key, _Alike] = {}
        try:
            while batch := dict(islice(items, _BATCH)):
                async with ctx.database.write(durable=False) as tx:
                    left = await _write(ctx, tx, batch)
                self._put_back(left)
        except BaseException:
            self._put_back(batch)
            self._put_back(dict(items))
            raise

    async def write_all(self, ctx: Context) -> None:
        """As `write_down`, for the last time: what others hold is waited for, about a second."""
        await self.write_down(ctx)
        for _ in range(_LAST_TRIES):
            if not self._waiting:
                return
            await asyncio.sleep(_LAST_PAUSE)
            await self.write_down(ctx)

    def _put_back(self, left: Mapping[_Key, _Alike]) -> None:
        for key, alike in left.items():
            newer = self._waiting.get(key)
            if newer is not None:
                alike.add(newer.times, newer.more)
            self._waiting[key] = alike


async def _write(ctx: Context, tx: Tx, batch: Mapping[_Key, _Alike]) -> dict[_Key, _Alike]:
    """The batch is written but for what is given back, whose repositories are held by others."""
    held = await pulls.held(tx, {alike.pulled.repository_id for alike in batch.values()})
    left = {key: alike for key, alike in batch.items() if alike.pulled.repository_id in held}
    written = [alike for key, alike in batch.items() if key not in left]
    await pulls.count(tx, [alike.counted() for alike in written])
    charts_pulled = {each.pulled.stored.id for each in written if each.pulled.stored.artifact_type == CONFIG_TYPE}
    versions = {row.manifest_id: row.version for row in await charts.of_manifests(tx, charts_pulled)}
    happened = [each for alike in written for each in alike.happened(_version(alike, versions))]
    await record_all(ctx, tx, sorted(happened, key=lambda each: each.at))
    return left


def _version(alike: _Alike, versions: Mapping[int, str]) -> str:
    """The version of the chart that was pulled; it may be gone by now. Empty for anything but a chart's version."""
    if alike.pulled.stored.artifact_type != CONFIG_TYPE:
        return ""
    known = versions.get(alike.pulled.stored.id, "")
    meant = None if known or not alike.tag else of_tag(alike.tag)
    return known if meant is None else meant.text


class Given(NamedTuple):
    """A manifest that a client was given, and what it had asked for."""

    reference: str
    stored: StoredManifest
    body: bytes


def client_of(asker: Asker) -> Client:
    """Whose requests belong together."""
    return asker.presented.uin, asker.presented.credential_id, asker.origin.address


def tag_meant(admitted: Admitted, stored: StoredManifest, reference: str) -> str:
    """The tag of which this is a pull; none by digest, or where the tag is an image's and helm gets the chart."""
    found = admitted.found
    others = stored.artifact_type == CONFIG_TYPE and isinstance(found, StoredManifest) and found.id != stored.id
    return "" if ":" in reference or others else reference


def count(
    ctx: Context, asker: Asker, admitted: Admitted, name: RepositoryName, given: Given, *, helm: bool = False
) -> None:
    """The pull is noted, unless it is part of another or of a push. `helm`: the client calls itself so."""
    repository_id = admitted.facts.repository_id
    if repository_id is None:
        return
    stored, client, now = given.stored, client_of(asker), ctx.clock()
    tag = tag_meant(admitted, stored, given.reference)
    if helm and stored.artifact_type == CONFIG_TYPE:
        if ":" in given.reference and _pushes(asker, name):
            return
        signed = PROVENANCE_TYPE.encode() in given.body
        if signed and ctx.pulls.expect_again(client, repository_id, stored.digest, now):
            return
    if tag and ctx.pulls.again(client, stored.id, tag, now):
        return
    ctx.pulls.note(client, Pulled(admitted.place, admitted.caller, repository_id, name, stored, tag), now)
    if stored.media_type in documents.INDEX_TYPES:
        ctx.pulls.expect_members(client, repository_id, documents.member_digests(given.body), now)


def _pushes(asker: Asker, name: RepositoryName) -> bool:
    """Whether helm 4 asks for what it has just pushed by digest, to push the same by tag.

    Its token for a push tells that from a pull, for which helm gets one that lets it pull only.
    """
    return any(scope.allows("repository", str(name), "push") for scope in asker.presented.scopes or ())
