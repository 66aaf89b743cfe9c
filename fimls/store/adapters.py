"""The registry of adapters: each kept by name, one of them serving its base.

::

    <root>/adapters/<name>/    a registered adapter: a copy, never changed
           promoted.json       which of them serve which base

An adapter that comes with fimls serves its base until another is promoted there.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fimls.files import write_atomically
from fimls.store.adapter import MANIFEST, Adapter
from fimls.store.store import store_root
from fimls.types import AdapterMismatchError, StoreError, UnknownModelError

_NAME = re.compile(r"(?!none$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""``none`` is the setting's word for no adapter."""
_LOCK_TIMEOUT_S = 30.0
_FORMAT_VERSION = 1  # of promoted.json

SHIPPED = Path(__file__).parent / "shipped"
"""The adapters that come with fimls, each a folder of its name."""


@dataclass(frozen=True, slots=True)
class RegisteredAdapter:
    """An adapter in the registry."""

    name: str
    folder: Path
    base: str
    """The name of the model that it was trained on."""
    base_sha256: str
    promoted: bool
    """Whether it serves its base."""
    shipped: bool = False
    """Whether it comes with fimls."""


class AdapterRegistry:
    """The registry of one store. Safe to use from several processes at once.

    root: the store's folder; by default the person's own. shipped: where fimls' own adapters are.
    """

    def __init__(self, root: Path | None = None, *, shipped: Path = SHIPPED) -> None:
        self._root = (root or store_root()).absolute()
        self._shipped = shipped
        self.folder = self._root / "adapters"
        self._promotions = _Promotions(self._root / "promoted.json")

    def add(self, folder: Path, name: str | None = None) -> RegisteredAdapter:
        """Copy an adapter's files (not its subfolders, where checkpoints are) into the registry.

        name: by default the folder's. Adding what is there already changes nothing.

        Raises:
            AdapterMismatchError: it isn't an adapter, or has no manifest that names its base.
            StoreError: another adapter has that name, or it can't be copied.
        """
        adapter = Adapter.open(folder)
        _trained_on(adapter)
        name = name or folder.resolve().name
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{name!r} can't be an adapter's name",
                hint="use letters, digits, dots, dashes and underscores: --name NAME",
            )
        if (self._shipped / name).exists():
            raise StoreError(
                f"{name!r} is an adapter that comes with fimls",
                hint="choose another name with --name",
            )
        target = self.folder / name
        with self._locked():
            if not target.exists():
                self._copy(folder, target)
            elif Adapter.open(target).sha256() != adapter.sha256():
                raise StoreError(
                    f"another adapter is called {name!r} already",
                    hint="choose another name with --name, or `fimls adapters remove` that one",
                )
        return self.get(name)

    def list(self) -> tuple[RegisteredAdapter, ...]:
        """Every adapter, fimls' own first, then by name; what isn't a usable one is left out."""
        adapters = []
        for folder in (*sorted(self._shipped.glob("*")), *sorted(self.folder.glob("*"))):
            with contextlib.suppress(AdapterMismatchError, UnknownModelError):
                adapters.append(self.get(folder.name))
        return tuple(adapters)

    def get(self, name: str) -> RegisteredAdapter:
        """One adapter.

        Raises:
            UnknownModelError: there is none of that name; the hint names the nearest.
            AdapterMismatchError: its files are damaged.
        """
        folder = self._registered(name)
        base, base_sha256 = _trained_on(Adapter.open(folder))
        serves = self._serving(self._promotions.read().get(base_sha256), base_sha256)
        return RegisteredAdapter(
            name, folder, base, base_sha256, serves == name, folder.parent == self._shipped
        )

    def find(self, adapter: str) -> Path:
        """The folder of a registered name, or of an adapter anywhere by its path.

        A name wins over a folder of the same name here, which may well be the repository that the
        adapter was trained on; ``./NAME`` means the folder.

        Raises:
            UnknownModelError: it is neither.
        """
        path = Path(adapter).expanduser()
        with contextlib.suppress(UnknownModelError):
            return self._registered(adapter)
        if path.is_dir():
            return path.absolute()
        raise self._unknown(adapter)

    def label(self, folder: Path) -> str:
        """What a person calls an adapter's folder: its name in the registry, else its path."""
        return folder.name if folder.parent in {self.folder, self._shipped} else str(folder)

    def remove(self, name: str) -> None:
        """Delete an adapter, also from what can be rolled back to.

        Raises:
            UnknownModelError: there is none. StoreError: it serves, or comes with fimls.
        """
        with self._locked():
            folder = self._registered(name)
            if folder.parent == self._shipped:
                raise StoreError(
                    f"{name!r} comes with fimls",
                    hint='adapter = "none" in the settings serves the base alone',
                )
            histories = self._promotions.read()
            if any(history.current == name for history in histories.values()):
                raise StoreError(
                    f"{name!r} is promoted",
                    hint="promote another, or `fimls adapters rollback`, before removing it",
                )
            if any(name in history.promoted for history in histories.values()):
                self._promotions.write(
                    {key: _without(history, name) for key, history in histories.items()}
                )
            shutil.rmtree(folder)

    def promote(self, name: str) -> Promotion:
        """Let an adapter serve its base from now on, atomically.

        Raises:
            UnknownModelError: there is none of that name. AdapterMismatchError: it is damaged.
        """
        with self._locked():
            adapter = self.get(name)
            histories = self._promotions.read()
            history = histories.get(adapter.base_sha256, History(adapter.base))
            if history.current != name:
                longer = replace(history, promoted=(*history.promoted, name))
                self._promotions.write({**histories, adapter.base_sha256: longer})
        before = self._serving(history, adapter.base_sha256)
        return Promotion(adapter.base, adapter.base_sha256, name, before=before)

    def rollback(self, base: str | None = None) -> Promotion:
        """Let what served before serve again; at last, fimls' own adapter or the base alone.

        base: its name or SHA-256; needed only where several bases have a promoted adapter.

        Raises:
            StoreError: nothing is promoted, or for several bases and none was named.
        """
        with self._locked():
            histories = self._promotions.read()
            served = {
                base_sha256: history
                for base_sha256, history in histories.items()
                if history.promoted and base in {None, history.base, base_sha256}
            }
            if not served:
                raise StoreError(
                    f"no adapter is promoted{f' for {base}' if base else ''}",
                    hint="`fimls adapters list` shows what serves",
                )
            if len(served) > 1:
                raise StoreError(
                    "adapters are promoted for several bases",
                    hint="name one: " + ", ".join(history.base for history in served.values()),
                )
            ((base_sha256, history),) = served.items()
            shorter = replace(history, promoted=history.promoted[:-1])
            self._promotions.write({**histories, base_sha256: shorter})
        now = self._serving(shorter, base_sha256)
        return Promotion(history.base, base_sha256, now, before=history.current)

    def serving(self, base_sha256: str) -> Path | None:
        """The folder of the adapter that serves a base, None for the base alone.

        Raises:
            StoreError: one is promoted, but its folder is gone.
        """
        history = self._promotions.read().get(base_sha256)
        if history is None or not history.current:
            return self.shipped(base_sha256)
        try:
            return self._registered(history.current)
        except UnknownModelError as error:
            folder = self.folder / history.current
            raise StoreError(
                f"the adapter {history.current!r} is promoted, but {folder} is gone",
                hint="`fimls adapters rollback`, or add it again",
            ) from error

    def shipped(self, base_sha256: str) -> Path | None:
        """The folder of fimls' own adapter for a base, None where there is none."""
        return _shipped(self._shipped).get(base_sha256)

    def stamp(self) -> tuple[int, int] | None:
        """Another value after each promotion and rollback, None before the first."""
        return self._promotions.stamp()

    def _serving(self, history: History | None, base_sha256: str) -> str:
        """The name of the adapter that serves a base, "" for the base alone."""
        if history is not None and history.current:
            return history.current
        shipped = self.shipped(base_sha256)
        return shipped.name if shipped else ""

    def _registered(self, name: str) -> Path:
        if _NAME.fullmatch(name):
            for folder in (self.folder / name, self._shipped / name):
                if folder.is_dir():
                    return folder
        raise self._unknown(name)

    def _copy(self, source: Path, target: Path) -> None:
        """Copy beside the target, then rename: what has the name is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as parent:
            new = Path(parent, target.name)
            new.mkdir()
            for file in sorted(source.iterdir()):
                if file.is_file():
                    shutil.copy2(file, new)
            new.rename(target)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process changes the registry at a time; failures say what to do."""
        try:
            locks = self._root / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            with FileLock(locks / "adapters.lock", timeout=_LOCK_TIMEOUT_S):
                yield
        except Timeout as error:
            raise StoreError(
                f"another process has been changing {self.folder} for {_LOCK_TIMEOUT_S:.0f} s",
                hint="try again",
            ) from error
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise StoreError(
                f"can't change the adapters in {self._root}: {error.strerror}",
                hint="free some space" if full else "check the folder's permissions",
            ) from error

    def _unknown(self, name: str) -> UnknownModelError:
        names = [path.name for path in self.folder.glob("*") if _NAME.fullmatch(path.name)]
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "`fimls adapters list` shows them"
        return UnknownModelError(
            f"no adapter {name!r}: no registered name and no folder", hint=hint
        )


def promote(adapter: str | Path, *, name: str | None = None, root: Path | None = None) -> Promotion:
    """Let an adapter serve its base: a registered one, or a folder's, which is added first.

    Raises:
        as :meth:`AdapterRegistry.find`, ``add`` and ``promote``.
    """
    registry = AdapterRegistry(root)
    folder = registry.find(str(adapter))
    known = registry.label(folder) == folder.name
    return registry.promote(folder.name if known else registry.add(folder, name).name)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What serves a base."""

    base: str
    base_sha256: str
    name: str
    """The adapter's name, "" for the base alone."""
    before: str
    """What served until the latest change."""


@dataclass(frozen=True, slots=True)
class History:
    """The adapters that were promoted for a base."""

    base: str
    promoted: tuple[str, ...] = ()
    """Their names; the last one serves."""

    @property
    def current(self) -> str:
        """The adapter that was promoted last, "" for none."""
        return self.promoted[-1] if self.promoted else ""


class _Promotions:
    """The file. Whoever changes it holds the registry's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> tuple[int, int] | None:
        """Another value after each change, None before the first; costs one ``stat``."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def read(self) -> dict[str, History]:
        """The history of each base, by its SHA-256.

        Raises:
            StoreError: the file is damaged, or of another version.
        """
        try:
            value: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
            if value["format_version"] != _FORMAT_VERSION:
                raise ValueError(f"format version {value['format_version']}")
            return {
                base_sha256: History(row["base"], tuple(row["promoted"]))
                for base_sha256, row in value["bases"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"can't read which adapters are promoted: {self.path}: {error}",
                hint="remove that file, and promote again",
            ) from error

    def write(self, histories: Mapping[str, History]) -> None:
        """Switch to these histories, atomically."""
        bases = {
            base_sha256: {"base": history.base, "promoted": history.promoted}
            for base_sha256, history in histories.items()
        }
        value = {"format_version": _FORMAT_VERSION, "bases": bases}
        write_atomically(self.path, (json.dumps(value, indent=1) + "\n").encode())


def _trained_on(adapter: Adapter) -> tuple[str, str]:
    """The base's name and SHA-256, from the manifest.

    Raises:
        AdapterMismatchError: there is no manifest, or it doesn't say.
    """
    base, base_sha256 = adapter.manifest.get("base"), adapter.manifest.get("base_sha256")
    if not isinstance(base, str) or not isinstance(base_sha256, str) or not base_sha256:
        raise AdapterMismatchError(
            f"{adapter.folder / MANIFEST} does not say which base the adapter was trained on",
            hint="an adapter is served only with the manifest that its training wrote",
        )
    return base, base_sha256


@cache
def _shipped(root: Path) -> dict[str, Path]:
    """The adapters in a folder that doesn't change, by their bases' SHA-256."""
    return {
        _trained_on(Adapter.open(folder))[1]: folder
        for folder in sorted(root.glob("*"))
        if (folder / MANIFEST).is_file()
    }


def _without(history: History, name: str) -> History:
    return replace(history, promoted=tuple(one for one in history.promoted if one != name))
