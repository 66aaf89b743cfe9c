from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from training.corpus.archives import MAX_FILE_BYTES, unpack
from training.types import CorpusError


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Write a tar archive."""
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def names_under(folder: Path) -> list[str]:
    """The files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "..\\evil.py"])
def test_a_name_that_leads_out_is_left_out(tmp_path: Path, name: str) -> None:
    """Neither kind of archive writes outside its folder."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, "evil")
        archive.writestr("good.py", "good")
    tar = tar_of(tmp_path / "x.tar.gz", (tarfile.TarInfo(name), b"evil"))
    unpack(tmp_path / "x.zip", tmp_path / "deep" / "zip")
    unpack(tar, tmp_path / "deep" / "tar")
    assert ["deep/zip/good.py", "x.tar.gz", "x.zip"] == names_under(tmp_path)


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    """A link could lead a later member, or a reader, out of the folder."""
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("device")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    device.type = tarfile.CHRTYPE
    path = tar_of(
        tmp_path / "x.tar.gz", (link, b""), (device, b""), (tarfile.TarInfo("link/x.py"), b"x")
    )
    unpack(path, tmp_path / "out")
    assert ["link/x.py"] == names_under(tmp_path / "out")
    assert not (tmp_path / "out" / "link").is_symlink()


def test_a_zip_link_is_left_out(tmp_path: Path) -> None:
    """In a zip a link is a file with a mode."""
    info = zipfile.ZipInfo("link.py")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    unpack(tmp_path / "x.zip", tmp_path / "out")
    assert [] == names_under(tmp_path / "out")


def test_a_bomb_stops_at_the_limits(tmp_path: Path) -> None:
    """Bytes and files are counted as they come; nothing of a bomb is left."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.py", bytes(MAX_FILE_BYTES + 10))
    with pytest.raises(CorpusError, match="more than 12,000,000 bytes"):
        unpack(path, tmp_path / "out", max_total_bytes=12_000_000)
    with pytest.raises(CorpusError, match="more than 3 files"):
        unpack(path, tmp_path / "out", max_files=3)
    assert ["x.zip"] == os.listdir(tmp_path)  # noqa: PTH208
    unpack(path, tmp_path / "out")
    assert {MAX_FILE_BYTES} == {each.stat().st_size for each in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz", "x.tar"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_archive_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    """A damaged archive is an error of one line and leaves nothing."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=name):
        unpack(path, tmp_path / "out")
    assert [name] == os.listdir(tmp_path)  # noqa: PTH208


def test_a_truncated_archive_is_damaged(tmp_path: Path) -> None:
    """Half a download is not a corpus."""
    path = tar_of(tmp_path / "x.tar.gz", (tarfile.TarInfo("x.py"), os.urandom(5000)))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CorpusError, match=r"x\.tar\.gz"):
        unpack(path, tmp_path / "out")
