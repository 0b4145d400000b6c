"""Whatever is pushed, mounted, moved, deleted and collected in whatever order: nothing that is named is lost.

The machine drives the services as the doors do, over SQLite, beside a model that knows what each repository must show
at each moment. Some pushes and some collectors are slow: they stop in the middle and go on, or never do, while all
else happens. At the end everything is deleted, time passes, and nothing may be left.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from roadstead.config import Push, Settings, Storage
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    AppError,
    BlobUnknown,
    ManifestUnknown,
    MethodUnsupported,
    ReferenceUnknown,
    RepositoryUnknown,
    Unavailable,
    UploadUnknown,
)
from roadstead.services import gc, layers
from roadstead.services.layers import Chunk
from roadstead.services.repositories import delete_repository
from roadstead.services.tags import delete_image
from tests.factories.bodies import BytesBody
from tests.factories.shops import Shop, image, lay_out, open_shop
from tests.factories.stores import HeldStore, go_on, kill, until_held
from tests.jobs.bench import FakeClock

T = TypeVar("T")

REPOSITORIES = ("library/one", "library/two")
CONTENTS = (b"", b"what everybody has", b"what hardly anybody has")
# A row holds all of the one, unless it comes bit by bit, and only the first chunk of the other.
IN_ROW = 20
TAGS = ("latest", "v1", "v2")
GRACE, MARGIN = timedelta(days=1), timedelta(hours=1)
# Longer than anything that may keep bytes: a claim, an upload session, grace and margin.
LONG = timedelta(days=4)
PATIENCE = timedelta(hours=5)

repositories = st.sampled_from(REPOSITORIES)
contents = st.sampled_from(CONTENTS)
tags = st.sampled_from(TAGS)


@dataclass
class Image:
    """An image that a repository must have: its bytes, and the contents that it names and that were never pushed."""

    body: bytes
    named: set[bytes]
    missing: set[bytes]


@dataclass
class Shelf:
    """What one repository must show."""

    images: dict[Digest, Image] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    until: dict[bytes, datetime] = field(default_factory=dict)

    def names(self, content: bytes) -> bool:
        return any(content in each.named - each.missing for each in self.images.values())

    def shows(self, content: bytes, now: datetime) -> bool:
        return self.names(content) or self.until.get(content, now) > now

    def hold(self, content: bytes, until: datetime) -> None:
        for each in self.images.values():
            each.missing.discard(content)
        if self.names(content):
            self.until.pop(content, None)
        else:
            self.until[content] = until

    def drop_image(self, digest: Digest, until: datetime) -> None:
        gone = self.images.pop(digest)
        self.tags = {tag: target for tag, target in self.tags.items() if target != digest}
        self.until |= {content: until for content in gone.named - gone.missing if not self.names(content)}


@dataclass
class Slow:
    """Something that stands in the middle of its work."""

    store: HeldStore
    task: asyncio.Task[Any]
    since: datetime
    repository: str = ""
    content: bytes = b""
    placed: bool = False


class Bytes(RuleBasedStateMachine):
    """One registry, what it must show, and all that can be done to single blobs."""

    kind: ClassVar[Literal["memory", "local"]] = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="roadstead-gc-"))
        self.clock = FakeClock()
        self.stack = AsyncExitStack()
        self.shelves: dict[str, Shelf] = {}
        self.pushes: list[Slow] = []
        self.collectors: list[Slow] = []

    @initialize(sparse=st.booleans())
    def open(self, sparse: bool) -> None:
        options = Settings(
            data=str(self.folder / "data"), storage=Storage(kind=self.kind), push=Push(sparse_images=sparse)
        )
        lay_out(self.folder / "data")
        self.shop: Shop = self.run(self.stack.enter_async_context(open_shop(options, self.clock)))

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    @property
    def now(self) -> datetime:
        return self.clock()

    def shelf(self, repository: str) -> Shelf:
        return self.shelves.setdefault(repository, Shelf())

    # Blobs

    @rule(repository=repositories, content=contents, chunks=st.integers(0, 3), at_once=st.booleans())
    def push_blob(self, repository: str, content: bytes, chunks: int, at_once: bool = True) -> None:
        self.run(self.shop.push_blob(repository, content, chunks=chunks, at_once=at_once))
        self.shelf(repository).hold(content, self.now + GRACE)

    @rule(repository=repositories, content=contents)
    def leave_an_upload_behind(self, repository: str, content: bytes) -> None:
        async def begin() -> None:
            name = RepositoryName.parse(repository)
            upload = await layers.begin(self.shop.ctx, self.shop.asker, name, "sha256")
            await layers.append(self.shop.ctx, self.shop.asker, name, upload.id, Chunk(BytesBody(content)))

        self.run(begin())

    @rule(repository=repositories, content=contents, source=st.none() | repositories)
    def mount(self, repository: str, content: bytes, source: str | None) -> None:
        sources = self.shelves.values() if source is None else [self.shelf(source)]
        expected = any(each.shows(content, self.now) for each in sources)
        assert self.run(self.shop.mount(repository, Digest.of(content), source)) == expected
        if expected:
            self.shelf(repository).hold(content, self.now + GRACE)

    @rule(repository=repositories, content=contents)
    def remove_blob(self, repository: str, content: bytes) -> None:
        shelf = self.shelf(repository)
        expected: type[AppError] | None = None
        if not shelf.shows(content, self.now):
            expected = BlobUnknown
        elif shelf.names(content):
            expected = MethodUnsupported
        assert self.refusal(self.shop.remove_blob(repository, Digest.of(content))) is expected
        if expected is None:
            del shelf.until[content]

    def refusal(self, work: Awaitable[Any]) -> type[AppError] | None:
        """The condition that the work met, if any."""
        try:
            self.run(work)
        except AppError as error:
            return type(error)
        return None

    # Time and collection

    @rule(by=st.sampled_from([timedelta(minutes=1), MARGIN * 2, timedelta(hours=7), GRACE + MARGIN * 2, LONG]))
    def wait(self, by: timedelta) -> None:
        self.clock.now += by

    @rule()
    def collect(self) -> None:
        self.run(gc.collect(self.shop.ctx))
        assert [each for each in self.run(self.shop.findings()) if each.kind in {"blob", "manifest"}] == []

    @rule(step=st.sampled_from([gc._end_uploads, gc._drop_links, gc._remove_blobs, gc._drop_repositories]))
    def collect_one_step(self, step: gc.Step) -> None:
        self.run(step(self.shop.ctx))

    @rule()
    def sweep(self) -> None:
        self.run(gc._sweep_uploads(self.shop.ctx))

    # Others who are slow

    @rule(step=st.sampled_from([gc._remove_blobs, gc._end_uploads, gc._sweep_uploads]), later=st.booleans())
    def begin_a_slow_collection(self, step: gc.Step, later: bool) -> None:
        if later:
            self.clock.now += GRACE + MARGIN * 2
            self.run(gc._drop_links(self.shop.ctx))
        store = HeldStore(self.shop.store, "delete")
        self.begin(self.collectors, store, step(self.shop.over(store).ctx))

    @rule(repository=repositories, content=contents, chunks=st.integers(0, 2), placed=st.booleans())
    def begin_a_slow_push(self, repository: str, content: bytes, chunks: int, placed: bool) -> None:
        store = HeldStore(self.shop.store, "assemble", after=placed)
        work = self.shop.over(store).push_blob(repository, content, chunks=chunks, at_once=False)
        slow = self.begin(self.pushes, store, work)
        if slow is None:
            self.shelf(repository).hold(content, self.now + GRACE)
        else:
            slow.repository, slow.content, slow.placed = repository, content, placed

    def begin(self, those: list[Slow], store: HeldStore, work: Awaitable[Any]) -> Slow | None:
        async def begin() -> Slow | None:
            task = asyncio.ensure_future(work)
            if await until_held(store, task):
                those.append(Slow(store, task, self.now))
                return those[-1]
            await task
            return None

        return self.run(begin())

    @precondition(lambda self: self.collectors)
    @rule(data=st.data(), killed=st.sampled_from([False, False, True]))
    def end_a_slow_collection(self, data: st.DataObject, killed: bool) -> None:
        slow = data.draw(st.sampled_from(self.collectors))
        self.collectors.remove(slow)
        self.end(slow, killed)

    @precondition(lambda self: self.pushes)
    @rule(data=st.data(), killed=st.sampled_from([False, False, True]))
    def end_a_slow_push(self, data: st.DataObject, killed: bool) -> None:
        slow = data.draw(st.sampled_from(self.pushes))
        self.pushes.remove(slow)
        try:
            done = self.end(slow, killed)
        except (UploadUnknown, Unavailable):
            # It may fail when it was away for hours, or when its bytes were deleted by name under its hands.
            assert slow.placed or self.now - slow.since > PATIENCE
            return
        if done:
            self.shelf(slow.repository).hold(slow.content, self.now + GRACE)

    def end(self, slow: Slow, killed: bool) -> bool:
        async def end() -> bool:
            if killed:
                await kill(slow.task)
                return False
            await go_on(slow.store, slow.task)
            return True

        return self.run(end())

    # What must hold

    @invariant()
    def every_repository_shows_what_it_must(self) -> None:
        self.run(self.look())

    async def look(self) -> None:
        for repository, shelf in self.shelves.items():
            for content in CONTENTS:
                if shelf.shows(content, self.now):
                    assert await self.shop.read_blob(repository, Digest.of(content)) == content
                else:
                    await self.must_lack(repository, content)
            for digest, each in shelf.images.items():
                assert await self.shop.read_manifest(repository, str(digest)) == each.body
            for tag in TAGS:
                await self.look_at_tag(repository, shelf, tag)

    async def must_lack(self, repository: str, content: bytes) -> None:
        try:
            await self.shop.read_blob(repository, Digest.of(content))
        except BlobUnknown:
            return
        raise AssertionError(f"{repository} still shows {content[:10]!r}")

    async def look_at_tag(self, repository: str, shelf: Shelf, tag: str) -> None:
        try:
            body = await self.shop.read_manifest(repository, tag)
        except ManifestUnknown:
            body = b""
        assert body == (shelf.images[shelf.tags[tag]].body if tag in shelf.tags else b"")

    def teardown(self) -> None:
        try:
            if hasattr(self, "shop"):
                self.run(self.nothing_is_left())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def nothing_is_left(self) -> None:
        """Every process ends, everything is deleted, and time passes: no byte and no row stays."""
        for slow in self.collectors + self.pushes:
            await kill(slow.task)
        for repository, shelf in self.shelves.items():
            for digest in shelf.images:
                await self.shop.remove(repository, str(digest))
        for _ in range(2):
            self.clock.now += LONG
            await gc.collect(self.shop.ctx)
        assert await self.shop.keys() == []
        rows = dict(await self.shop.rows())
        rows.pop("repositories", None)
        assert rows == {}
        assert await self.shop.findings() == []


class Registry(Bytes):
    """The same with images, tags and repositories."""

    @rule(
        repository=repositories,
        config=contents,
        layers_=st.lists(contents, max_size=3),
        tag=st.none() | tags,
        first=st.sampled_from(["all", "the config", "nothing"]),
    )
    def push_image(self, repository: str, config: bytes, layers_: list[bytes], tag: str | None, first: str) -> None:
        for content in {"all": {config, *layers_}, "the config": {config}, "nothing": set[bytes]()}[first]:
            self.push_blob(repository, content, 0)
        shelf, body = self.shelf(repository), image(config, *layers_)
        named = {config, *layers_}
        hidden = {content for content in named if not shelf.shows(content, self.now)}
        try:
            pushed = self.run(self.shop.push_manifest(repository, body, tag or ""))
        except ReferenceUnknown:
            assert hidden
            return
        missing = {content for content in named if str(Digest.of(content)) in pushed.missing}
        assert missing == hidden
        assert not hidden or (self.shop.ctx.settings.push.sparse_images and config not in hidden)
        # A manifest that is there already stays as it was: it cannot come to lack what it has.
        shelf.images.setdefault(pushed.digest, Image(body, named, missing))
        for content in named - missing:
            shelf.until.pop(content, None)
        if tag:
            shelf.tags[tag] = pushed.digest

    @rule(repository=repositories, tag=tags, with_image=st.booleans())
    def remove_tag(self, repository: str, tag: str, with_image: bool) -> None:
        shelf = self.shelf(repository)
        if with_image:
            refused = self.refusal(self.shop.call(delete_image, repository, image_version=tag))
        else:
            refused = self.refusal(self.shop.remove(repository, tag))
        assert (refused is None) == (tag in shelf.tags), refused
        digest = shelf.tags.pop(tag, None)
        if digest is not None and with_image and digest not in shelf.tags.values():
            shelf.drop_image(digest, self.now + GRACE)

    @precondition(lambda self: any(shelf.images for shelf in self.shelves.values()))
    @rule(data=st.data())
    def remove_image(self, data: st.DataObject) -> None:
        pairs = [(name, digest) for name, shelf in self.shelves.items() for digest in shelf.images]
        repository, digest = data.draw(st.sampled_from(pairs))
        self.run(self.shop.remove(repository, str(digest)))
        self.shelf(repository).drop_image(digest, self.now + GRACE)

    @rule(repository=repositories)
    def remove_repository(self, repository: str) -> None:
        refused = self.refusal(self.shop.call(delete_repository, repository))
        assert refused in {None, RepositoryUnknown}
        if refused is None:
            self.shelves[repository] = Shelf()
        else:
            assert not self.shelf(repository).images


@pytest.fixture(autouse=True)
def _in_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "SMALL", IN_ROW)


class RegistryOnDisk(Registry):
    """The same with blobs in files."""

    kind = "local"


# Without shrinking: each of its attempts takes as long as an example, and together longer than a test may take.
_LOOKING = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

TestBytes = Bytes.TestCase
TestBytes.settings = _LOOKING
TestRegistry = Registry.TestCase
TestRegistry.settings = _LOOKING
TestRegistryOnDisk = RegistryOnDisk.TestCase
TestRegistryOnDisk.settings = settings(_LOOKING, max_examples=8, stateful_step_count=30)
