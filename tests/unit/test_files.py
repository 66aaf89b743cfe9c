from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fimls import files
from fimls.files import HashRecords, file_sha256, write_atomically


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose content is ``one``."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read."""
    seen: list[Path] = []

    def counted(path: Path, **options: object) -> str:
        seen.append(path)
        return file_sha256(path)

    monkeypatch.setattr(files, "file_sha256", counted)
    return seen


def sha256(content: bytes) -> str:
    """The reference."""
    return hashlib.sha256(content).hexdigest()


def test_progress_ends_at_the_size(file: Path) -> None:
    """Hashing reports bytes done, up to the file's size."""
    calls: list[tuple[str, int, int]] = []
    assert sha256(b"one") == file_sha256(file, progress=lambda *call: calls.append(call))
    assert ("verifying", 3, 3) == calls[-1]


def test_unchanged_file_is_read_once(file: Path, tmp_path: Path, reads: list[Path]) -> None:
    """A second question, even by another process's records, is answered from the record."""
    for _ in range(2):
        assert sha256(b"one") == HashRecords(tmp_path / "records").sha256(file)
    assert [file] == reads


def test_same_size_other_time_is_read_again(file: Path, tmp_path: Path) -> None:
    """A file rewritten with as many bytes is noticed by its modification time."""
    records = HashRecords(tmp_path / "records")
    records.sha256(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert sha256(b"two") == records.sha256(file)


def test_same_time_other_size_is_read_again(file: Path, tmp_path: Path) -> None:
    """A file that grew is noticed even if its modification time was put back."""
    records = HashRecords(tmp_path / "records")
    records.sha256(file)
    stat = file.stat()
    file.write_bytes(b"longer")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256(b"longer") == records.sha256(file)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"path": 1}', b"\xff\xfe"])
def test_damaged_record_is_ignored(
    file: Path, tmp_path: Path, damage: bytes, reads: list[Path]
) -> None:
    """A record that can't be read means the file is."""
    records = HashRecords(tmp_path / "records")
    records.sha256(file)
    (record,) = (tmp_path / "records").iterdir()
    record.write_bytes(damage)
    assert sha256(b"one") == records.sha256(file)
    assert [file, file] == reads


def test_forget(file: Path, tmp_path: Path, reads: list[Path]) -> None:
    """A forgotten file is read again."""
    records = HashRecords(tmp_path / "records")
    records.sha256(file)
    records.forget(file)
    records.sha256(file)
    assert [file, file] == reads


def test_atomic_write_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails leaves the old content and nothing beside it."""
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def fail(*args: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomically(path, b"new")
    assert [path] == list(tmp_path.iterdir())
    assert b"old" == path.read_bytes()
