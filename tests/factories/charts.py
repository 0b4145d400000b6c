"""Helm charts in memory: packed as helm packs them, with whatever a test wants to be in them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from typing import Any

import yaml

from roadstead.services import chart_repositories
from roadstead.services.access import Asker
from roadstead.services.chart_repositories import Folder
from roadstead.services.context import Context


def description(name: str = "demo", version: str = "0.1.0", **more: Any) -> dict[str, Any]:
    """Chart.yaml of a chart."""
    return {"apiVersion": "v2", "name": name, "version": version, "type": "application", **more}


def pack(files: Mapping[str, bytes | str], base: str = "demo") -> bytes:
    """A gzipped tar archive of those files below the base directory; the same bytes for the same files."""
    return pack_entries([(f"{base}/{path}", content) for path, content in files.items()])


def pack_entries(entries: list[tuple[str, bytes | str]], **fields: Any) -> bytes:
    """A gzipped tar archive of entries under those very names; `fields` are set on each entry's header."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries:
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for field, value in fields.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def chart(
    name: str = "demo", version: str = "0.1.0", files: Mapping[str, bytes | str] | None = None, **more: Any
) -> bytes:
    """The archive of a chart."""
    described = yaml.safe_dump(description(name, version, **more))
    return pack({"Chart.yaml": described, "values.yaml": "replicas: 1\n", **(files or {})}, name)


async def upload_chart(ctx: Context, asker: Asker, folder: str, archive: bytes) -> None:
    """The folder's chart repository has the chart, whatever it had before."""
    await chart_repositories.upload(ctx, asker, Folder.parse(folder), archive, None, force=True)
