"""What `roadstead serve` does: prepare the data folder, say how to go on, serve.

The process that was started only reads the settings, holds the port and watches. All that serving needs is imported
by a process that it starts for this, which forks the serving processes and ends (`supervisor.py`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roadstead.cli.served import note
from roadstead.cli.spare import spare
from roadstead.cli.supervisor import Supervisor, bind, process_count, twin
from roadstead.config import Settings, load

if TYPE_CHECKING:
    from roadstead.services.accounts import InitialCredentials

_FIRST = """
  First start. This is shown once; it is also in {file} (readable by you only).

  Console account   {name}   password {password}
  API key           {secret_id}   {secret_key}
  Registry user     {user}

  Log in    docker login {host} --username {user} --password {token}
  Push      docker tag IMAGE {host}/{namespace}/IMAGE && docker push {host}/{namespace}/IMAGE
            (podman: add --tls-verify=false to login and push)
  More namespaces          {program} namespace create NAME
  Open it to other hosts   {program} network open && {program} network allow ADDRESS-OR-CIDR
"""


def start(data: str | None = None, listen: str | None = None, config: str | None = None) -> int:
    """The exit code, after the registry has served until it was told to stop."""
    settings = load(Path(config) if config else None, options={"data": data, "listen": listen})
    listener = bind(settings.listen)
    secure = bind(settings.tls.listen) if settings.tls.listen else None
    host, port = listener.getsockname()[:2]

    async def prepare() -> None:
        from roadstead.app import open_context
        from roadstead.services.accounts import first_start
        from roadstead.services.meters import forget
        from roadstead.services.vpcs import declare

        forget(settings.folder)
        async with open_context(settings) as ctx:
            made = await first_start(ctx)
            await declare(ctx)
        note(settings, port)
        if settings.tls.on:
            from roadstead.http.certificates import Certificates

            # What cannot be served with is told once, not by every process.
            Certificates(settings)
        if settings.dns.addresses:
            from roadstead.http.name_server import check

            check(settings)
        _announce(settings, host, port, made)
        if secure is not None:
            address = "{}:{}".format(*secure.getsockname()[:2])
            print(f"  HTTPS          https://{address}")
            sys.stdout.flush()

    async def work() -> None:
        from roadstead.app import Application, set_up_logging
        from roadstead.http.listening import LinkListeners, Port
        from roadstead.http.server import serve as serve_http
        from roadstead.http.server import server_config

        set_up_logging(settings)
        app = Application(settings)
        plain, tls = [twin(listener)], [] if secure is None else [twin(secure)]
        if settings.tls.on and secure is None:
            plain, tls = [], plain
        ports = [Port.of(each, secure=each in tls) for each in (*plain, *tls)]
        listeners = LinkListeners(app.link_addresses, ports)
        config = server_config(app, settings, stored=app.certificate, at_link=listeners.at_link)
        await serve_http(config, plain, secure=tls, stopping=app.stopping, beside=listeners.follow)

    return Supervisor(process_count(settings), work, load=lambda: load_for(settings), prepare=prepare).run()


def load_for(settings: Settings) -> None:
    """All that processes which serve by these settings need is imported, and little else."""
    spare()
    import roadstead.app
    import roadstead.http.server

    if settings.tls.on:
        import roadstead.http.certificates
    if settings.dns.addresses:
        import roadstead.http.name_server
    if settings.database:
        import roadstead.metadata.postgresql
    else:
        import roadstead.metadata.sqlite
    if settings.storage.kind == "s3":
        import roadstead.blobs.object

    assert roadstead  # noqa: S101


def _announce(settings: Settings, host: str, port: int, made: InitialCredentials | None) -> None:
    name = "localhost" if host in {"0.0.0.0", "::", "127.0.0.1", "::1"} else host  # noqa: S104
    address = f"{name}:{port}"
    url = f"{'https' if settings.tls.on and not settings.tls.listen else 'http'}://{address}"
    print(f"Roadstead serves on {url}   data in {settings.folder}")
    print(f"  Registry API   {url}/v2/")
    print(f"  Management API {url}/api/v1/   described at {url}/openapi.json")
    print(f"  Cloud API      {url}/   for tccli and the SDKs")
    print(f"  Console        {url}/console/")
    if settings.tls.self_signed:
        print("  Certificates   of an authority of its own; how to trust it: roadstead tls self-signed")
    if made is not None:
        from roadstead.services.accounts import FIRST_NAMESPACE

        print(
            _FIRST.format(
                file=settings.folder / "initial-credentials.json",
                name=made.user_name,
                password=made.password,
                secret_id=made.secret_id,
                secret_key=made.secret_key,
                user=made.registry_user,
                token=made.registry_token,
                host=address,
                namespace=FIRST_NAMESPACE,
                program=f"{program()} --data {settings.data}",
            )
        )
    sys.stdout.flush()


def program() -> str:
    """How the command that runs now can be typed again in this folder."""
    import shutil

    started = Path(sys.argv[0])
    if started.name != "roadstead":
        return f"{Path(sys.executable).name} -m roadstead"
    on_path = shutil.which("roadstead")
    if on_path and Path(on_path).samefile(started):
        return "roadstead"
    return os.path.relpath(started)
