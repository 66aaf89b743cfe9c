"""``fimls export``: an adapter merged into its base, for another program."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fimls.store import Store
    from training.export import Agreement, Exported


def export(  # noqa: PLR0913 - a function argument for each option
    context: typer.Context,
    adapter: Annotated[str, typer.Argument(help="A folder, or a registered name.")],
    *,
    to: Annotated[Literal["hf", "gguf", "openvino"], typer.Option(help="The format.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")
    ],
    quantization: Annotated[
        str | None, typer.Option(help="gguf: q8_0, q4_0, f16; openvino: int8, q8_0, q4_0.")
    ] = None,
    check: Annotated[
        int, typer.Option(min=0, help="Compare the engines' greedy outputs on so many prompts.")
    ] = 0,
    code: Annotated[
        Path | None, typer.Option(help="Code to make those prompts of [default: Python's own].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the prompts.")] = 0,
) -> None:
    """Merge an adapter into its base, for another program."""
    # Standard output is one JSON object; a finished export stays where a comparison fails.
    from fimls.progress import progress_bar
    from fimls.store import Store
    from training.export import ExportSource, export_adapter

    store = Store()
    with progress_bar() as progress:
        source = ExportSource.of(adapter, context.obj.overrides.get("model"), store, progress)
        exported = export_adapter(
            source, output, to=to, quantization=quantization, store=store, progress=progress
        )
    print(f"{source.name} on {source.base.name}: {exported.file}", file=sys.stderr)
    report: dict[str, object] = {
        "adapter": source.name,
        "base": source.base.name,
        "to": to,
        "quantization": exported.quantization,
        "path": str(exported.file),
    }
    if check:
        agreement = _compare(exported, code, check, seed, store)
        _print_agreement(agreement)
        report["agreement"] = dataclasses.asdict(agreement)
    print(json.dumps(report, ensure_ascii=False))


def _compare(
    exported: Exported, code: Path | None, count: int, seed: int, store: Store
) -> Agreement:
    from fimls.progress import progress_bar
    from training.export.agreement import check_agreement, default_code

    with progress_bar("comparing") as progress:
        checking = check_agreement(
            exported,
            code or default_code(),
            count=count,
            seed=seed,
            store=store,
            progress=progress,
        )
        return asyncio.run(checking)


def _print_agreement(agreement: Agreement) -> None:
    print(
        f"greedy outputs on {agreement.prompts} prompts, {agreement.max_tokens} tokens at most, "
        f"against {agreement.reference}:",
        file=sys.stderr,
    )
    for engine in agreement.engines:
        print(
            f"  {engine.engine} ({engine.quantization}): {engine.identical:.0%} identical, "
            f"{engine.common_prefix_tokens:.1f} of {engine.generated_tokens:.1f} tokens in common, "
            f"{engine.seconds:.0f} s",
            file=sys.stderr,
        )
    for name in agreement.skipped:
        print(f"  {name}: not installed", file=sys.stderr)
