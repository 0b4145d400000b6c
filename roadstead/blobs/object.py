"""Blobs as objects of an S3-compatible bucket, through obstore.

A body goes out as a multipart upload while it comes in, so that a few parts at most are in memory; S3 shows an object
only when its upload is completed, which makes every change whole or not at all. S3 has no rename: taking a blob's
final name is a copy inside the service, or a stream through this process where S3 has no such copy.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from roadstead.blobs.store import CHUNK, Body, Entry, Redirect, valid_key, valid_prefix
from roadstead.config import Storage
from roadstead.domain.reference import Hasher
from roadstead.errors import StartRefused, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential

P = ParamSpec("P")
T = TypeVar("T")

PART_SMALLEST = 5 << 20
PARTS_MOST = 10_000
OBJECT_LARGEST = 5 << 40
COPY_LARGEST = 5 << 30

# One part is under way while the next one fills.
_PARTS_IN_MEMORY = 2
_SENDING_THREADS = 64
_ASKED_AT_ONCE = 16
_CHECK_SECONDS = 30
_RETRIES = 4
_RETRY_SECONDS = 60
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)


class ObjectStore:
    """A BlobStore in one bucket, below the prefix of the settings."""

    def __init__(self, storage: Storage) -> None:
        """Nothing is sent yet."""
        self._storage = storage
        self._prefix = storage.prefix.strip("/")
        self._service = _connect(storage, _RETRIES)
        self._threads = ThreadPoolExecutor(_SENDING_THREADS, thread_name_prefix="blob-send")

    async def stat(self, key: str) -> int | None:
        """The size in bytes under `key`, or None."""
        try:
            return await self._size(key)
        except FileNotFoundError:
            return None

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `stop`, in pieces of about 1 MiB."""
        if start or stop is not None:
            size = await self._size(key)
            stop = size if stop is None else min(stop, size)
            # S3 answers a range without bytes with 416.
            if start >= stop:
                return
        options: obstore.GetOptions | None = None if stop is None else {"range": (start, stop)}
        with _service_errors(looking_up=True):
            answer = await obstore.get_async(self._service, self._object(key), options=options)
            async for piece in answer.stream(CHUNK):
                yield bytes(piece)

    async def put(self, key: str, body: Body, hasher: Hasher, limit: int) -> int:
        """The body's bytes are under `key` and have passed through `hasher`; their number."""
        expected = limit if body.length is None else body.length
        writer = obstore.open_writer(
            self._service, self._object(key), buffer_size=part_size(expected), max_concurrency=_PARTS_IN_MEMORY
        )
        sink = _WriterSink(writer, hasher)
        try:
            await body.into(sink, limit)
            await self._run(sink.finish)
        except BaseException as error:
            await asyncio.shield(self._run(sink.abort, error))
            raise
        return sink.size

    async def write(self, key: str, data: bytes) -> None:
        """`key` holds `data`, whole or not at all."""
        with _service_errors():
            await obstore.put_async(self._service, self._object(key), data)

    async def assemble(self, parts: Sequence[str], key: str) -> None:
        """`key` holds the parts' bytes in order, whole or not at all; the parts are gone."""
        target = self._object(key)
        sizes = await self._sizes(parts)
        if len(parts) == 1 and sizes[0] <= COPY_LARGEST:
            with _service_errors(looking_up=True):
                await obstore.copy_async(self._service, self._object(parts[0]), target)
        else:
            await self._join(parts, target, sum(sizes))
        for part in parts:
            # The blob is whole: failing here would only make the client send it again. What is left of the upload
            # is removed with its session.
            with suppress(Unavailable):
                await self.delete(part)

    async def delete(self, key: str) -> None:
        """`key` is gone; it need not have existed."""
        with suppress(FileNotFoundError), _service_errors(looking_up=True):
            await obstore.delete_async(self._service, self._object(key))

    async def list(self, prefix: str) -> AsyncIterator[Entry]:
        """Every key that starts with `prefix`; only the folder that the prefix names is asked for."""
        folder = valid_prefix(prefix).rpartition("/")[0]
        below = "/".join(filter(None, (self._prefix, folder))) or None
        skipped = len(self._prefix) + 1 if self._prefix else 0
        with _service_errors():
            async for batch in obstore.list(self._service, below, chunk_size=1000):
                for each in batch:
                    key = each["path"][skipped:]
                    if key.startswith(prefix):
                        yield Entry(key, each["size"])

    async def place(self, key: str) -> Redirect | None:
        """A presigned URL where the settings ask for redirects; whether there is such a key is not looked up."""
        target = self._object(key)
        if self._storage.delivery != "redirect":
            return None
        valid = timedelta(seconds=self._storage.redirect_seconds)
        with _service_errors():
            return Redirect(await obstore.sign_async(self._service, "GET", target, valid))

    async def check(self) -> None:
        """The bucket exists, and an object in it can be written, read and deleted."""
        bucket, place = self._storage.bucket, self._storage.endpoint or "the cloud's own endpoint"
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._probe()
        except FileNotFoundError as error:
            raise StartRefused(f"the bucket {bucket} does not exist at {place}; create it first") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            reason = f"{place} does not let this access key write to the bucket {bucket}: {_reason(error)}"
            raise StartRefused(reason) from error
        except TimeoutError as error:
            raise StartRefused(f"{place} did not answer within {_CHECK_SECONDS} seconds") from error
        except BaseError as error:
            raise StartRefused(f"cannot use the bucket {bucket} at {place}: {_reason(error)}") from error

    async def close(self) -> None:
        """The store's threads have ended; it is not used again."""
        await asyncio.to_thread(self._threads.shutdown)

    def _object(self, key: str) -> str:
        return f"{self._prefix}/{valid_key(key)}" if self._prefix else valid_key(key)

    async def _size(self, key: str) -> int:
        with _service_errors(looking_up=True):
            return (await obstore.head_async(self._service, self._object(key)))["size"]

    async def _sizes(self, keys: Sequence[str]) -> Sequence[int]:
        sizes: list[int] = []
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            sizes += await asyncio.gather(*map(self._size, keys[start : start + _ASKED_AT_ONCE]))
        return sizes

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _join(self, parts: Sequence[str], target: str, size: int) -> None:
        with _service_errors(looking_up=True):
            async with obstore.open_writer_async(
                self._service, target, buffer_size=part_size(size), max_concurrency=_PARTS_IN_MEMORY
            ) as writer:
                for part in parts:
                    async for piece in self.open(part):
                        await writer.write(piece)

    async def _probe(self) -> None:
        service = _connect(self._storage, retries=1)
        name = self._object(f"check-{secrets.token_hex(8)}")
        await obstore.put_async(service, name, b"roadstead")
        await obstore.get_async(service, name)
        await obstore.delete_async(service, name)


class _WriterSink:
    """Sends one body as it comes. `write` returns when the next part may fill, which slows a client that is faster.

    Up to `PART_SMALLEST` bytes only fill memory, so that small bodies may be written from the event loop.
    """

    def __init__(self, writer: obstore.WritableFile, hasher: Hasher) -> None:
        self.size = 0
        self._writer = writer
        self._hasher = hasher
        self._given_up = False

    def write(self, data: memoryview, /) -> None:
        """A copy of `data` is hashed and handed on. Raises ConnectionAbortedError after `abort`."""
        if self._given_up:
            raise ConnectionAbortedError("the upload was given up")
        piece = bytes(data)
        self._hasher.update(piece)
        with _service_errors():
            self._writer.write(piece)
        self.size += len(piece)

    def finish(self) -> None:
        """The object is there with all its bytes."""
        with _service_errors():
            self._writer.close()

    def abort(self, error: BaseException) -> None:
        """Nothing of the body can ever be seen, and the service was told to forget its parts.

        A part that is under way just then may stay hidden in the bucket (S3, "Aborting a multipart upload"), as may
        those of a process that crashes: a lifecycle rule for incomplete uploads removes them.
        """
        self._given_up = True
        # `OSError`: the writer had failed, or `finish` was under way and has closed it.
        with suppress(OSError, BaseError):
            self._writer.__exit__(type(error), error, error.__traceback__)


def part_size(expected: int) -> int:
    """The least part in which `expected` bytes fit into one multipart upload."""
    return max(PART_SMALLEST, -(-min(expected, OBJECT_LARGEST) // PARTS_MOST))


def _connect(storage: Storage, retries: int) -> S3Store:
    # A body may take hours on a slow line, so only silence ends a request.
    client: ClientConfig = {
        "timeout": timedelta(days=1),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(minutes=5),
        "allow_http": storage.endpoint.startswith("http://"),
    }
    config: S3Config = {
        "region": storage.bucket_region,
        "virtual_hosted_style_request": _names_bucket(storage),
        # Not every S3-compatible service knows the deletion of several objects by one request.
        "disable_bulk_delete": True,
    }
    if storage.endpoint:
        config["endpoint"] = storage.endpoint
    return S3Store(
        storage.bucket,
        config=config,
        client_options=client,
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        credential_provider=_credential(storage) if storage.access_key else None,
    )


def _names_bucket(storage: Storage) -> bool:
    """Whether the endpoint is the bucket's own host, as some clouds demand, rather than the service's."""
    return (urlsplit(storage.endpoint).hostname or "").startswith(f"{storage.bucket}.")


def _credential(storage: Storage) -> Callable[[], S3Credential]:
    """The keys of the settings and nothing else: a session token in the environment would belong to other keys."""
    return lambda: {
        "access_key_id": storage.access_key,
        "secret_access_key": storage.secret_key,
        "token": None,
        "expires_at": None,
    }


@contextmanager
def _service_errors(*, looking_up: bool = False) -> Iterator[None]:
    """What the service refuses or fails at is reported as a part that does not work now; the log has the reason.

    Where an object is only looked up, that it is missing is an answer; elsewhere it means that the bucket is.
    """
    try:
        yield
    except (BaseError, OSError) as error:
        if looking_up and isinstance(error, FileNotFoundError):
            raise
        structlog.get_logger().warning("object store failed", reason=_reason(error))
        raise Unavailable("the object store does not work at present; try again later") from error


def _reason(error: BaseException) -> str:
    """The service's own words, or the first line of the library's."""
    found = _MESSAGE.search(str(error))
    return found[1] if found else str(error).partition("\n")[0].rpartition(" - ")[2]
