"""The model store: verified bytes by their hash, and what engines load, made from them once.

::

    <root>/blobs/sha256/<hash>     verified files
           partial/<hash>/         unfinished downloads
           converted/<key>/        engine-ready folders
           tokenizers/             tokenizer.json of a file, for engines that read GGUF themselves
           records/                hashes of files read before
           locks/                  one for each blob and each folder

``root`` is FIMLS_HOME, or the user's data folder. Only :meth:`Store.pull` uses the network.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from fimls.files import HashRecords, file_sha256, replacing
from fimls.progress import Progress, silent
from fimls.store.adapter import Adapter
from fimls.store.models import ModelSpec, find_model_by_sha256
from fimls.store.prepared import (
    CONVERTER_VERSION,
    QUANTIZATIONS,
    PreparedModel,
    build,
    is_whole,
)
from fimls.store.sources import FULL, Partial, PathSource, Source, default_sources
from fimls.types import (
    ConfigError,
    DownloadError,
    HashMismatchError,
    ModelMissingError,
    StoreError,
)

# A pull needs room for the file and, for a while, for one of its wheels.
_PULL_SPACE = 1.1
# A conversion keeps a Q8_0 copy, GenAI's graph and the final graph side by side: about 3.2 bytes a
# weight, where a four-bit file has 0.56. Merging adds a float32 copy of most weights. For the
# default model that comes to 5.9 times its file.
_CONVERT_SPACE = 6
_CONVERT_MERGED_SPACE = 8
_KEY_HEX = 12


def store_root() -> Path:
    """FIMLS_HOME where it is set, else the user's data folder."""
    home = os.environ.get("FIMLS_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("fimls")


@dataclass(frozen=True, slots=True)
class BaseFile:
    """A model's GGUF file."""

    name: str
    path: Path
    sha256: str
    format: str | None
    """The FIM format's name, None for a file that isn't a known model's."""


class Store:
    """A model store on disk. Safe to use from several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or store_root()).absolute()
        self._records = HashRecords(self.root / "records")

    def blob_path(self, spec: ModelSpec) -> Path:
        """Where the model's file is, or would be."""
        return self.root / "blobs" / "sha256" / spec.sha256

    def blob(self, spec: ModelSpec) -> Path | None:
        """The model's verified file, or None where it is absent or damaged.

        Costs two ``stat`` calls, unless the file changed since it was verified: then it is read.
        """
        path = self.blob_path(spec)
        with _explained(self.root):
            try:
                if path.stat().st_size != spec.bytes:
                    return None
                return path if self._records.sha256(path) == spec.sha256 else None
            except FileNotFoundError:
                return None

    def pull(
        self,
        spec: ModelSpec,
        *,
        sources: Sequence[Source] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Make the model's file present, from the first source that has it; returns its path.

        An interrupted pull is continued by the next one. Two processes that pull one model take
        turns, and the second finds it done.

        Raises:
            HashMismatchError: a source delivered other bytes, and no other source the right ones.
            DownloadError: no source could deliver; the message has each one's reason.
            StoreError: the disk is full, or the store's folder can't be written.
        """
        progress = progress or silent
        present = self.blob(spec)
        if present is not None:
            return present
        needed_bytes = int(spec.bytes * _PULL_SPACE)
        with self._locked(spec.sha256, progress), _explained(self.root, needed_bytes):
            present = self.blob(spec)  # another process may have pulled it meanwhile
            if present is not None:
                return present
            partial = Partial(self.root / "partial" / spec.sha256)
            partial.folder.mkdir(parents=True, exist_ok=True)
            _, joined_bytes = partial.joined()
            self._check_space(needed_bytes - joined_bytes)
            return self._pull_from(sources or default_sources(), spec, partial, progress)

    def import_file(self, path: Path, spec: ModelSpec, progress: Progress | None = None) -> Path:
        """Take a file that a person brought, or the one in a folder they name."""
        return self.pull(spec, sources=[PathSource(path)], progress=progress)

    def verify(self, spec: ModelSpec, progress: Progress | None = None) -> Path:
        """Read the whole file again; a damaged one is removed.

        Raises:
            ModelMissingError: there is none. HashMismatchError: it was damaged.
        """
        path = self.blob_path(spec)
        with self._locked(spec.sha256, progress or silent), _explained(self.root):
            if not path.exists():
                raise _missing(spec)
            actual = file_sha256(path, progress=progress or silent)
            if actual != spec.sha256:
                path.unlink()
                self._records.forget(path)
                raise _mismatch(spec, actual, hint=f"removed; `fimls pull {spec.name}`")
        return path

    def remove(self, spec: ModelSpec) -> None:
        """Delete the model: its file, unfinished downloads and everything made from it."""
        path = self.blob_path(spec)
        with self._locked(spec.sha256, silent), _explained(self.root):
            path.unlink(missing_ok=True)
            self._records.forget(path)
            Partial(self.root / "partial" / spec.sha256).discard()
            for folder in (self.root / "converted").glob(f"{spec.sha256[:_KEY_HEX]}-*"):
                shutil.rmtree(folder)

    def prepared(
        self,
        model: ModelSpec | Path,
        adapter: Path | None = None,
        quantization: str = "int8",
    ) -> PreparedModel | None:
        """The engine-ready folder, if it exists and is whole.

        Raises:
            ModelMissingError, AdapterMismatchError, ConfigError: as :meth:`prepare`.
        """
        with _explained(self.root):
            _, wanted = self._wanted(model, adapter, quantization, silent)
        return wanted if is_whole(wanted) else None

    def prepare(
        self,
        model: ModelSpec | Path,
        *,
        adapter: Path | None = None,
        quantization: str = "int8",
        progress: Progress | None = None,
    ) -> PreparedModel:
        """Make the engine-ready folder, once; later calls return it at once.

        model: a known model, or any GGUF file. adapter: a folder with a peft LoRA adapter.

        Raises:
            ModelMissingError: the file isn't there. ConfigError: no such quantization.
            AdapterMismatchError: the adapter can't be merged into this base.
            StoreError: the conversion failed, or the disk is full.
        """
        progress = progress or silent
        with _explained(self.root):
            base, wanted = self._wanted(model, adapter, quantization, progress)
        if is_whole(wanted):
            return wanted
        needed_bytes = base.path.stat().st_size * (
            _CONVERT_MERGED_SPACE if adapter else _CONVERT_SPACE
        )
        with (
            self._locked(wanted.directory.name, progress),
            _explained(self.root, needed_bytes),
        ):
            if not is_whole(wanted):  # another process may have made it meanwhile
                wanted.directory.parent.mkdir(parents=True, exist_ok=True)
                self._check_space(needed_bytes)
                build(wanted, base.path, adapter=adapter, progress=progress)
        return wanted

    def base(self, model: ModelSpec | Path, progress: Progress = silent) -> BaseFile:
        """The file of a known model, or any GGUF file.

        Raises:
            ModelMissingError: it isn't there.
        """
        if isinstance(model, ModelSpec):
            path = self.blob(model)
            if path is None:
                raise _missing(model)
            return BaseFile(model.name, path, model.sha256, model.format)
        if not model.is_file():
            raise ModelMissingError(
                f"no model file {model}",
                hint="give a GGUF file, or a name from `fimls pull --list`",
            )
        sha256 = self._records.sha256(model, progress=progress)
        spec = find_model_by_sha256(sha256)
        return BaseFile(model.stem, model.absolute(), sha256, spec.format if spec else None)

    def folder_sha256(self, folder: Path) -> str:
        """The identity of a Hugging Face model folder: a hash over its configuration's and its
        weights' hashes, read once.
        """
        files = sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")])
        hashes = [f"{file.name} {self._records.sha256(file)}" for file in files]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def tokenizer(self, model: ModelSpec | Path) -> Path:
        """The model's ``tokenizer.json``, made from the GGUF file at its first use.

        Raises:
            ModelMissingError: the file isn't there. StoreError: its tokenizer is of no known kind.
        """
        # Reading GGUF needs numpy, which a server shouldn't import before it answers.
        from fimls.store.gguf_file import open_gguf
        from fimls.store.gguf_tokenizer import write_tokenizer

        base = self.base(model)
        path = self.root / "tokenizers" / f"{base.sha256}-{CONVERTER_VERSION}.json"
        with self._locked(path.stem, silent), _explained(self.root):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as new:
                    write_tokenizer(open_gguf(base.path), new)
        return path

    def _pull_from(
        self, sources: Sequence[Source], spec: ModelSpec, partial: Partial, progress: Progress
    ) -> Path:
        reasons: list[str] = []
        mismatch: HashMismatchError | None = None
        for source in sources:
            try:
                source.fetch(spec, partial, progress)
                return self._admit(spec, partial, progress)
            except HashMismatchError as error:
                partial.discard()
                partial.folder.mkdir(parents=True)
                mismatch = error
                reasons.append(f"{source.name}: {error}")
            except DownloadError as error:
                reasons.append(f"{source.name}: {error}")
        message = f"can't fetch {spec.name}:\n" + "\n".join(f"  {reason}" for reason in reasons)
        if mismatch is not None:
            partial.discard()
            raise HashMismatchError(message, hint=mismatch.hint) from mismatch
        raise DownloadError(
            message,
            hint=f"go online and try again, or bring {spec.file} by hand: "
            f"`fimls pull {spec.name} --from PATH`",
        )

    def _admit(self, spec: ModelSpec, partial: Partial, progress: Progress) -> Path:
        actual = file_sha256(partial.data, progress=progress)
        if actual != spec.sha256:
            raise _mismatch(spec, actual, hint="nothing was kept; the source has another file")
        path = self.blob_path(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.data.replace(path)
        self._records.remember(path, actual)
        partial.discard()
        return path

    def _wanted(
        self,
        model: ModelSpec | Path,
        adapter_path: Path | None,
        quantization: str,
        progress: Progress,
    ) -> tuple[BaseFile, PreparedModel]:
        if quantization not in QUANTIZATIONS:
            raise ConfigError(
                f"unknown quantization {quantization!r}", hint="one of " + ", ".join(QUANTIZATIONS)
            )
        base = self.base(model, progress)
        adapter = None if adapter_path is None else Adapter.open(adapter_path)
        if adapter is not None:
            adapter.check_base(base.name, base.sha256)
        adapter_sha256 = None if adapter is None else adapter.sha256()
        key = "-".join(
            (base.sha256[:_KEY_HEX], (adapter_sha256 or "base")[:_KEY_HEX], quantization)
        )
        directory = self.root / "converted" / key
        return base, PreparedModel(
            name=base.name,
            directory=directory,
            tokenizer=directory / "tokenizer.json",
            base_sha256=base.sha256,
            adapter_sha256=adapter_sha256,
            format=(adapter and adapter.format) or base.format,
            quantization=quantization,
        )

    def _check_space(self, needed_bytes: int) -> None:
        if shutil.disk_usage(self.root).free < needed_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextlib.contextmanager
    def _locked(self, name: str, progress: Progress) -> Iterator[None]:
        folder = self.root / "locks"
        with _explained(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name[:64]}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                progress("waiting for another process", 0, 0)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def _explained(root: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Turn what the file system refuses into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            free_bytes = shutil.disk_usage(root).free
            raise StoreError(
                f"the disk of {root} is full: {needed_bytes / 1e9:.2f} GB are needed, "
                f"{free_bytes / 1e9:.2f} GB are free",
                hint="free some space, or set FIMLS_HOME to a folder on another disk",
            ) from error
        raise StoreError(
            f"the model store in {root} can't be used: {error}",
            hint="check the folder's permissions, or set FIMLS_HOME to another folder",
        ) from error


def _missing(spec: ModelSpec) -> ModelMissingError:
    return ModelMissingError(
        f"{spec.name} is not on this machine", hint=f"fetch it: `fimls pull {spec.name}`"
    )


def _mismatch(spec: ModelSpec, actual: str, *, hint: str) -> HashMismatchError:
    return HashMismatchError(f"{spec.file} has SHA-256 {actual}, expected {spec.sha256}", hint=hint)
