"""Reading: from a repository's files to texts without secrets, in the work folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from training.corpus import (
    Decontaminator,
    Dropped,
    FileTaker,
    Fingerprint,
    Limits,
    Listed,
    Reason,
    TakenFile,
)
from training.dataset.tables import files_of, files_table
from training.dataset.writer import explained
from training.types import CorpusFile, Repository, Split

_CHUNK_FILES = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """Files of a repository that are read together. number: the repository's in the corpus."""

    number: int
    part: int
    repository: Repository
    listed: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file whose text is in the work folder.

    part, row: where. bytes: of its text in UTF-8.
    """

    part: int
    row: int
    path: str
    language_id: str
    licence: str
    bytes: int
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """What a chunk came to. scrubbed: how much was replaced, by kind."""

    number: int
    part: int
    files: tuple[ReadFile, ...]
    dropped: tuple[Dropped, ...]
    scrubbed: Counter[str]


def chunks(number: int, repository: Repository, listed: Sequence[Listed]) -> Iterator[Chunk]:
    """Cut a repository's files into chunks."""
    for part, first in enumerate(range(0, len(listed), _CHUNK_FILES)):
        yield Chunk(number, part, repository, tuple(listed[first : first + _CHUNK_FILES]))


def read_chunk(
    chunk: Chunk, work: Path, *, public: bool, limits: Limits, suites: Decontaminator
) -> ReadChunk:
    """Read a chunk's files, and keep their texts in the work folder.

    The texts of files that are too small to learn from are kept behind the others: a package's
    ``__init__.py`` tells retrieval where names come from.

    Raises:
        DatasetError: the work folder can't be written.
    """
    taker = FileTaker(chunk.repository, public=public, limits=limits, decontaminator=suites)
    tiny = FileTaker(
        chunk.repository,
        public=public,
        limits=replace(limits, min_chars=0),
        decontaminator=suites,
    )
    kept: list[CorpusFile] = []
    small: list[CorpusFile] = []
    files: list[ReadFile] = []
    dropped: list[Dropped] = []
    scrubbed = Counter[str]()
    for listed in chunk.listed:
        taken = taker.take(listed)
        if isinstance(taken, Dropped):
            dropped.append(taken)
            again = tiny.take(listed) if taken.reason is Reason.TOO_SMALL else taken
            if isinstance(again, TakenFile):
                small.append(again.file)
            continue
        file = taken.file
        size = len(file.text.encode())
        place = (chunk.part, len(kept), file.path)
        files.append(ReadFile(*place, file.language_id, file.licence, size, taken.fingerprint))
        kept.append(file)
        scrubbed.update(taken.scrubbed)
    path = _texts_path(work, chunk.number, chunk.part)
    with explained(work):
        path.parent.mkdir(parents=True, exist_ok=True)
        table = files_table([(file, Split.TRAIN) for file in (*kept, *small)])
        pq.write_table(table, path, compression="lz4")
    return ReadChunk(chunk.number, chunk.part, tuple(files), tuple(dropped), scrubbed)


def read_texts(work: Path, number: int, part: int) -> list[CorpusFile]:
    """The files of a chunk that :func:`read_chunk` has read; those too small come last."""
    path = _texts_path(work, number, part)
    return [file for file, _ in files_of(pq.read_table(path, memory_map=False))]


def _texts_path(work: Path, number: int, part: int) -> Path:
    return work / "texts" / f"{number:05d}-{part:05d}.parquet"
