"""The folder that the openvino engine loads: made in a process of its own, with a card in it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib.metadata
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimls import types
from fimls.child import ChildDiedError, child_messages, module_command
from fimls.files import write_atomically
from fimls.progress import Progress
from fimls.types import FimlsError, StoreError

CONVERTER_VERSION = 2
"""Raised whenever a conversion would give another result: older folders are then rebuilt."""

QUANTIZATIONS = ("int8", "q8_0", "q4_0")

_CARD = "model.json"


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model ready to load."""

    name: str
    directory: Path
    """The folder with ``openvino_model.xml`` and what belongs to it."""
    tokenizer: Path
    """``tokenizer.json`` in that folder."""
    base_sha256: str
    """The hash of the GGUF file it was made from."""
    adapter_sha256: str | None
    """The hash of the adapter that was merged into it, None for none."""
    format: str | None
    """The FIM format's name, None for a file that isn't a known model's."""
    quantization: str


def is_whole(model: PreparedModel) -> bool:
    """Whether the folder holds exactly this model, complete, made by this converter."""
    try:
        card: dict[str, Any] = json.loads((model.directory / _CARD).read_text("utf-8"))
        sizes = {name: (model.directory / name).stat().st_size for name in card["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False  # absent, half there or damaged: all three are rebuilt
    expected = {
        "base_sha256": model.base_sha256,
        "adapter_sha256": model.adapter_sha256,
        "quantization": model.quantization,
        "converter_version": CONVERTER_VERSION,
        "files": sizes,
    }
    return {key: card.get(key) for key in expected} == expected


def build(wanted: PreparedModel, source: Path, *, adapter: Path | None, progress: Progress) -> None:
    """Convert a GGUF file, in a sibling of the wanted folder that is moved into its place whole.

    Must not run twice at once for one folder.

    Raises:
        FimlsError: as :func:`fimls.store.convert.convert`. StoreError: the conversion died.
        OSError: with errno ENOSPC, where the disk is full.
    """
    parent, key = wanted.directory.parent, wanted.directory.name
    for stale in parent.glob(f".{key}-*"):
        shutil.rmtree(stale, ignore_errors=True)  # of killed processes
    with tempfile.TemporaryDirectory(
        dir=parent, prefix=f".{key}-", ignore_cleanup_errors=True
    ) as name:
        new, old = Path(name, "new"), Path(name, "old")
        new.mkdir()
        convert_in_child(
            source, new, quantization=wanted.quantization, adapter=adapter, progress=progress
        )
        _write_card(dataclasses.replace(wanted, directory=new))
        if wanted.directory.exists():
            wanted.directory.replace(old)
        new.replace(wanted.directory)


def convert_in_child(
    source: Path,
    folder: Path,
    *,
    quantization: str,
    adapter: Path | None,
    progress: Progress,
) -> None:
    """Run :func:`fimls.store.convert.convert` in a process of its own; raises as :func:`build`."""
    arguments = [str(source.absolute()), str(folder.absolute()), quantization]
    if adapter is not None:
        arguments.append(str(adapter.absolute()))
    error: FimlsError | None = None
    command = module_command("fimls.store.convert", *arguments)
    try:
        with contextlib.closing(child_messages(command)) as messages:
            for message in messages:
                if "error" in message:
                    kind: type[FimlsError] = getattr(types, message["error"])
                    error = kind(message["message"], hint=message["hint"])
                else:
                    progress(message["stage"], message["done"], message["total"])
    except ChildDiedError as death:
        if error is not None:
            raise error from None
        if os.strerror(errno.ENOSPC) in death.said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from death
        raise StoreError(
            f"the conversion {death}",
            hint="signal 9 usually means too little memory: close something, or take a smaller "
            "model"
            if death.code < 0
            else "",
        ) from death


def _write_card(model: PreparedModel) -> None:
    """Write ``model.json``, last of all: it lists the folder's files and their sizes."""
    card = {
        "name": model.name,
        "base_sha256": model.base_sha256,
        "adapter_sha256": model.adapter_sha256,
        "format": model.format,
        "quantization": model.quantization,
        "converter_version": CONVERTER_VERSION,
        "openvino_version": importlib.metadata.version("openvino-genai"),
        "files": {path.name: path.stat().st_size for path in sorted(model.directory.iterdir())},
    }
    write_atomically(model.directory / _CARD, json.dumps(card, indent=1).encode())
