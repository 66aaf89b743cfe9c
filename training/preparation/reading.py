"""Reading: from a repository's files to texts without secrets, in the work folder.

All of it looks at one file alone, so that any number of processes can share the work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from training.corpus import (
    Decontaminator,
    Dropped,
    Fingerprint,
    Limits,
    Listed,
    Reason,
    fingerprint,
    read_file,
    scrub,
    words_of,
)
from training.dataset.format import files_of, files_table
from training.dataset.writer import explained
from training.types import CorpusFile, Repository, Split

_CHUNK_FILES = 256


Chunk = tuple[int, int, Repository, Sequence[Listed]]
"""Files of a repository that are read together: the repository's number in the corpus, the chunk's
in the repository, the repository, and the files."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file whose text is in the work folder."""

    part: int
    """Its chunk."""
    row: int
    """Its row in the chunk's table."""
    path: str
    language_id: str
    licence: str
    bytes: int
    """Of its text in UTF-8."""
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """What came of a chunk."""

    number: int
    part: int
    files: tuple[ReadFile, ...]
    dropped: tuple[Dropped, ...]
    scrubbed: Counter[str]
    """How much was replaced, by kind."""


def chunks(number: int, repository: Repository, listed: Sequence[Listed]) -> Iterator[Chunk]:
    """Cut a repository's files into chunks."""
    for part, first in enumerate(range(0, len(listed), _CHUNK_FILES)):
        yield number, part, repository, listed[first : first + _CHUNK_FILES]


def read_chunk(
    chunk: Chunk, work: Path, *, public: bool, limits: Limits, suites: Decontaminator
) -> ReadChunk:
    """Read a chunk's files, and keep their texts in the work folder.

    The texts of files that are too small to learn from are kept after the others: a package's
    ``__init__.py`` tells retrieval where names come from.

    Raises:
        DatasetError: the work folder can't be written.
    """
    number, part, repository, chunk_files = chunk

    def take(listed: Listed, limits: Limits) -> Taken | Dropped:
        file = read_file(repository, listed, public=public, limits=limits)
        return file if isinstance(file, Dropped) else take_file(file, suites)

    kept: list[CorpusFile] = []
    small: list[CorpusFile] = []
    files: list[ReadFile] = []
    dropped: list[Dropped] = []
    scrubbed = Counter[str]()
    for listed in chunk_files:
        taken = take(listed, limits)
        if isinstance(taken, Dropped):
            dropped.append(taken)
            if taken.reason is Reason.TOO_SMALL:
                again = take(listed, replace(limits, min_chars=0))
                small += [] if isinstance(again, Dropped) else [again[0]]
            continue
        file, print_, counts = taken
        size = len(file.text.encode())
        place = (part, len(kept), file.path)
        files.append(ReadFile(*place, file.language_id, file.licence, size, print_))
        kept.append(file)
        scrubbed.update(counts)
    path = _texts_path(work, number, part)
    with explained(work):
        path.parent.mkdir(parents=True, exist_ok=True)
        table = files_table([(file, Split.TRAIN) for file in (*kept, *small)])
        pq.write_table(table, path, compression="lz4")
    return ReadChunk(number, part, tuple(files), tuple(dropped), scrubbed)


Taken = tuple[CorpusFile, Fingerprint, Counter[str]]
"""A file without secrets, the fingerprint of that text, and what was replaced in it, by kind."""


def take_file(file: CorpusFile, suites: Decontaminator) -> Taken | Dropped:
    """Scrub a file and take its fingerprint; drop it if it holds a piece of an evaluation suite."""
    text, scrubbed = scrub(file.text, file.path)
    words = words_of(text)
    if suites.holds(words):
        return Dropped(file.path, Reason.EVALUATION, len(words.data))
    file = replace(file, text=text)
    return file, fingerprint(file, words), scrubbed


def read_texts(work: Path, number: int, part: int) -> list[CorpusFile]:
    """The files of a chunk that :func:`read_chunk` has read; those too small come last."""
    path = _texts_path(work, number, part)
    return [file for file, _ in files_of(pq.read_table(path, memory_map=False))]


def _texts_path(work: Path, number: int, part: int) -> Path:
    return work / "texts" / f"{number:05d}-{part:05d}.parquet"
