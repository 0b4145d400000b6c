"""The receiver of the guide, run as it stands there, with a push that it hears of."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import time
from pathlib import Path

from roadstead.app import utc_now
from roadstead.services import trigger_log
from tests.factories import receivers
from tests.factories.accounts import owner_asker
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.pushes import push_image
from tests.servers.ports import free_port
from tests.servers.process import Process

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "deploy-on-push.md"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_the_receiver_of_the_guide_runs_its_command_for_what_is_genuine(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "receiver.py").write_text(program)
    port, deployed = free_port(), tmp_path / "deployed"
    note = f"import sys; open({str(deployed)!r}, 'a').write(sys.argv[1] + '\\n')"
    command = [sys.executable, "receiver.py", str(port), "library/web", sys.executable, "-c", note, "web=IMAGE"]
    environment = {**os.environ, "DEPLOY_SECRET": "s3cret"}
    process = Process(command, log=tmp_path / "log", environment=environment, folder=tmp_path)
    try:
        process.wait_until(lambda: listens(port))
        url = f"http://127.0.0.1:{port}/"
        async with open_test_context(tmp_path / "data", utc_now, **receivers.SETTINGS) as ctx:
            for secret, status in (("s3cret", 204), ("other", 403)):
                tested = await call(
                    ctx,
                    trigger_log.test_webhook_trigger,
                    namespace="library",
                    target=receivers.target(url),
                    secret=secret,
                )
                assert tested.results[0].status == status
            await receivers.create(ctx, url, secret="s3cret", condition="web:release-*")
            for tag in ("latest", "release-1"):
                await push_image(ctx, await owner_asker(ctx), "library/web", tag)
            await receivers.deliver_due(ctx)
        end = time.monotonic() + 20
        while not deployed.exists() or "release-1" not in deployed.read_text():
            assert time.monotonic() < end, "the command was not run"
            await asyncio.sleep(0.02)
        assert deployed.read_text().split() == ["web=default.localhost:5000/library/web:release-1"]
    finally:
        process.kill()
