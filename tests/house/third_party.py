"""Installs a package outside the repository, as pip would, without an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from platectl.app.new_instrument import write_instrument


def installed(name: str, folder: Path) -> Path:
    """Write a package from the template and lay it out as installed; returns its folder."""
    files = write_instrument(name, folder / "source" / name)
    target = folder / "installed"
    for file in files[1:]:
        place = target / file.parent.name / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    groups = tomllib.loads(files[0].read_text())["project"]["entry-points"]
    about = target / f"platectl_{name}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: platectl-{name}\nVersion: 0.1.0\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in groups.items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return target


def run(target: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python where the package is installed."""
    path = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=target.parent, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def conformance(target: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Put drivers to the suite, as their author would."""
    chosen = [word for name in names for word in ("--driver", name)]
    words = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--rootdir={target.parent}")
    return run(target, "pytest", *words, "--pyargs", "platectl.conformance", *chosen)
