"""The database of a repository's words, for lexical search: serving's own, made in one go."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from fimls.context.extract import extract
from fimls.context.index_writer import Entry, IndexWriter, Stamp, delete_database
from fimls.syntax import language_of
from training.types import DatasetError

_BATCH_FILES = 500
_NO_STAMP = Stamp(0, 0, b"")  # nothing will look whether the files have changed


def build_index(database: Path, texts: Mapping[str, str]) -> None:
    """Make an index of some files, anew.

    Raises:
        DatasetError: the database can't be written.
    """
    try:
        delete_database(database)
        writer = IndexWriter(database)
        try:
            remaining = iter(texts.items())
            while batch := list(itertools.islice(remaining, _BATCH_FILES)):
                writer.write(
                    Entry(path, _NO_STAMP, extract(text.encode(), language_of(path)))
                    for path, text in batch
                )
        finally:
            writer.close()
    except (OSError, sqlite3.Error) as error:
        raise DatasetError(
            f"{database}: can't be written: {error}", hint="make room on the disk, then --resume"
        ) from error
