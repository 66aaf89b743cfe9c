from __future__ import annotations

import io
from pathlib import Path

import pytest

from fimls.progress import silent
from fimls.store.sources import Joined, Partial
from fimls.types import DownloadError


@pytest.fixture
def partial(tmp_path: Path) -> Partial:
    """A download that hasn't begun."""
    folder = tmp_path / "partial"
    folder.mkdir()
    return Partial(folder)


def append(partial: Partial, piece: bytes, limit_bytes: int = 100) -> None:
    """Join a piece."""
    partial.append(io.BytesIO(piece), limit_bytes=limit_bytes, stage="s", progress=silent)


def test_pieces_are_joined_in_order(partial: Partial) -> None:
    """Pieces follow one another, and a new process sees how many there are."""
    append(partial, b"one")
    append(partial, b"three")
    assert b"onethree" == partial.data.read_bytes()
    assert Joined(pieces=2, bytes=8) == Partial(partial.folder).joined()


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
    assert Joined() == Partial(partial.folder).joined()


def test_outgrowing_the_file_stops(partial: Partial) -> None:
    """A piece that would make the file longer than it can be is not written to the end."""
    with pytest.raises(DownloadError, match="more than the expected 5 bytes"):
        append(partial, b"six bytes", limit_bytes=5)
    assert Joined() == partial.joined()


def test_scratch_of_killed_processes_is_removed(partial: Partial) -> None:
    """Temporary files don't pile up, whether their process ended or was killed."""
    stale = partial.folder / "scratch-old"
    stale.mkdir()
    with partial.scratch() as scratch:
        (scratch / "wheel").write_bytes(b"x")
        assert [scratch] == list(partial.folder.iterdir())
    assert [] == list(partial.folder.iterdir())
