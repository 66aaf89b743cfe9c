"""The open documents, as snapshots, and where they are in the workspace."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fimls.text import MAX_DOCUMENT_BYTES, Encoding, TextChange, apply_changes, utf8, well_formed
from fimls.types import Document, DocumentError
from fimls.uris import bare_name, local_path, path_inside

_MOST_BYTES_PER_CODE_POINT = 4


class Documents(Mapping[str, Document]):
    """Every open document's latest snapshot by URI, the one edited last at the end.

    The one owner of open documents; whoever needs one takes a snapshot from here. In place of
    pygls' workspace, which breaks lines at form feeds and U+2028 and moves positions past a line's
    end elsewhere. One that is too large is not here until it is opened again.

    encoding: of the editor's positions. folders: the workspace's, as URIs.
    """

    def __init__(self, encoding: Encoding, folders: Iterable[str] = ()) -> None:
        self.encoding = encoding
        self.folders = tuple(folders)
        self._open: dict[str, Document] = {}

    def __getitem__(self, uri: str) -> Document:
        return self._open[uri]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, uri: str, language_id: str, version: int, text: str) -> None:
        """Keep a document that the editor opened.

        Raises:
            DocumentError: it is too large to be kept.
        """
        self._keep(Document(uri, language_id, version, well_formed(text)))

    def change(self, uri: str, version: int, changes: Iterable[TextChange]) -> None:
        """Edit a document. One that isn't kept stays so until it is opened again.

        Raises:
            DocumentError: it became too large to be kept.
        """
        document = self._open.get(uri)
        if document is None:
            return
        text = apply_changes(document.text, changes, self.encoding)
        self._keep(dataclasses.replace(document, version=version, text=text))

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)

    def _keep(self, document: Document) -> None:
        self._open.pop(document.uri, None)
        size = len(document.text)
        if size * _MOST_BYTES_PER_CODE_POINT > MAX_DOCUMENT_BYTES:
            size = len(utf8(document.text))
        if size > MAX_DOCUMENT_BYTES:
            name = bare_name(document.uri)
            raise DocumentError(
                f"{name} is ignored: {size:,} bytes, at most {MAX_DOCUMENT_BYTES:,}",
                hint="generated and data files are rarely worth completing",
            )
        self._open[document.uri] = document


def workspace_path(uri: str, folders: Iterable[str]) -> str:
    """Return a document's path relative to the innermost workspace folder that holds it.

    Outside of all of them, and for an untitled document: its bare name.
    """
    inside = [path for folder in folders if (path := path_inside(uri, folder)) is not None]
    return min(inside, key=len, default=bare_name(uri))


def local_folders(uris: Iterable[str]) -> list[Path]:
    """Return the workspace folders on this machine's disk."""
    return [path for path in map(local_path, uris) if path is not None]
