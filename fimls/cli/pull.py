"""``fimls pull``: fetch, verify and convert a model."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fimls.cli.options import Invocation
from fimls.config import NO_ADAPTER
from fimls.engines.loading import adapter_folder, adapter_label, model_source, prepare_model
from fimls.progress import progress_bar
from fimls.store import ModelSpec, Store, known_models

_MEGABYTE = 1_000_000
# Names are there to be copied: a narrow terminal wraps the line, it does not cut them.
_TABLE_COLUMNS = 130


def run(invocation: Invocation, model: str | None, *, source: Path | None, verify: bool) -> None:
    """Make a model ready to use: fetch, verify and convert what isn't ready yet."""
    settings = invocation.settings(None)
    if model is not None:  # the settings' adapter is one of their own model; none is of any
        adapter = NO_ADAPTER if settings.adapter == NO_ADAPTER else ""
        settings = dataclasses.replace(settings, model=model, adapter=adapter)
    named = model_source(settings.model)
    store = Store()
    with progress_bar() as progress:
        if isinstance(named, ModelSpec):
            if verify and store.blob_path(named).exists():
                store.verify(named, progress)
            if source is not None:
                path = store.import_file(source, named, progress)
            else:
                path = store.pull(named, progress=progress)
            print(f"{named.name}: {path} (SHA-256 verified, {named.licence})", file=sys.stderr)
        if settings.engine == "openvino":
            prepared = prepare_model(settings, adapter_folder(settings, store), store, progress)
            label = adapter_label(settings, store)
            form = f"{prepared.quantization} with {label}" if label else prepared.quantization
            print(f"ready, as {form}: {prepared.directory}", file=sys.stderr)


def list_models() -> None:
    """Print the known models and which of them are here."""
    store = Store()
    table = Table(box=None, pad_edge=False)
    for column in ("model", "also", "size", "licence", "prompt format", "here"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for spec in known_models():
        table.add_row(
            f"{spec.name} (default)" if spec.default else spec.name,
            ", ".join(spec.aliases),
            f"{spec.bytes / _MEGABYTE:,.0f} MB",
            spec.licence,
            spec.format,
            "yes" if store.blob(spec) else "no",
        )
    console = Console()
    console.width = max(console.width, _TABLE_COLUMNS)
    console.print(table)
