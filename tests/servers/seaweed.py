"""SeaweedFS as a real S3 server: signatures, multipart uploads, ranges and presigned URLs behave as in a cloud."""

from __future__ import annotations

import base64
import shutil
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.requirements import find, missing
from tests.servers.ports import free_port
from tests.servers.process import Process, ServerFailed

_GRPC_ABOVE = 10_000
_ATTEMPTS = 3
_ACCESS_KEY = "tests"
_SECRET_KEY = "tests-secret-tests-secret"


@dataclass(frozen=True)
class S3Server:
    """A running server and the one account that it knows."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path
    process: Process
    ports: tuple[int, ...]

    def bucket(self, name: str) -> S3Store:
        """A client for one bucket, which need not exist."""
        return S3Store(
            name,
            config={
                "endpoint": self.endpoint,
                "access_key_id": self.access_key,
                "secret_access_key": self.secret_key,
                "region": "us-east-1",
            },
            client_options={"allow_http": True, "timeout": timedelta(seconds=20)},
            retry_config={"max_retries": 0},
        )

    def create_bucket(self, name: str) -> str:
        """The name of a bucket that exists now; of 3 or more lower-case letters, digits and `-`."""
        # A PUT of the empty key is the creation of the bucket; the client can sign it but not send it.
        url = obstore.sign(self.bucket(name), "PUT", "", timedelta(minutes=1))
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=20):
            return name

    def unfinished(self, bucket: str) -> list[str]:
        """The keys of multipart uploads that were neither completed nor aborted."""
        # S3 hides them; the server keeps them as folders, which its file interface shows.
        address = f"http://127.0.0.1:{self.ports[2]}/buckets/{bucket}/.uploads/"
        request = urllib.request.Request(address, headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                entries = msgspec.json.decode(answer.read())["Entries"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []
        # A part that was under way during an abort may come to rest afterwards, without an upload: not one of these.
        begun = [entry["Extended"] for entry in entries or [] if entry["Extended"]]
        return [base64.b64decode(extended["key"]).decode() for extended in begun]

    def stop(self) -> None:
        """The server has ended and its folder is removed."""
        # Asked politely, it takes seconds for its farewell to a cluster that it does not have.
        self.process.kill()
        shutil.rmtree(self.folder)
        _remove_sockets(self.ports)


def start(folder: Path) -> S3Server:
    """A new server that keeps its files in `folder` and takes objects; about four seconds."""
    program = _program()
    for attempt in range(_ATTEMPTS):
        try:
            return _start(program, folder / f"attempt-{attempt}")
        except ServerFailed:
            # Someone took one of its eight ports in between.
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _program() -> str:
    beside = Path(sys.executable).parent / "weed"
    program = str(beside) if beside.exists() else find("weed")
    if program is None:
        missing("SeaweedFS is not installed; the test requirements of this package bring it")
    return program


def _start(program: str, folder: Path) -> S3Server:
    (folder / "data").mkdir(parents=True)
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    keys = [{"accessKey": _ACCESS_KEY, "secretKey": _SECRET_KEY}]
    identities = {"identities": [{"name": "tests", "credentials": keys, "actions": actions}]}
    (folder / "s3.json").write_bytes(msgspec.json.encode(identities))
    ports = tuple(_port_pair() for _ in range(4))
    process = Process(_command(program, folder, ports), log=folder / "log", folder=folder)
    server = S3Server(f"http://127.0.0.1:{ports[3]}", _ACCESS_KEY, _SECRET_KEY, folder, process, ports)
    process.wait_until(lambda: _takes_objects(server), 60)
    return server


def _command(program: str, folder: Path, ports: tuple[int, ...]) -> list[str]:
    master, volume, filer, s3 = ports
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.port": master,
        "master.volumeSizeLimitMB": 256,
        "volume.port": volume,
        "volume.max": 200,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": filer,
        "s3": "true",
        "s3.port": s3,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "s3.config": folder / "s3.json",
        # As in a cloud: a bucket that nobody created does not exist.
        "s3.autoCreateBucket": "false",
    }
    return [program, f"-logdir={folder}", "server", *(f"-{name}={value}" for name, value in options.items())]


def _port_pair() -> int:
    """A port that is free, as is the one 10,000 above, on which each part of the server speaks gRPC."""
    while True:
        port = free_port()
        if port + _GRPC_ABOVE < 32_768:
            return port


def _takes_objects(server: S3Server) -> bool:
    bucket = "start-probe"
    try:
        server.create_bucket(bucket)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            return False
    except OSError:
        return False
    try:
        obstore.put(server.bucket(bucket), "probe", b"ready")
        obstore.delete(server.bucket(bucket), "probe")
    except (BaseError, OSError):
        return False
    return True


def _remove_sockets(ports: tuple[int, ...]) -> None:
    """The server's Unix sockets are gone: it makes them in the machine's temporary folder, named after its ports."""
    for port in (*ports, *(port + _GRPC_ABOVE for port in ports)):
        for each in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            each.unlink(missing_ok=True)
