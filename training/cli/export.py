"""``fimls export``: an adapter merged into its base, for another program."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from fimls.cli.progress import progress_bar
from fimls.store import Store
from training.export import Agreement, Exported, ExportSource, Target, export_adapter


def run(  # noqa: PLR0913 - an argument for each option
    adapter: str,
    out: Path,
    *,
    to: Target,
    quantization: str | None,
    model: str | None,
    check: int,
    code: Path | None,
    seed: int,
) -> None:
    """Export, compare the engines where asked to, and print a JSON object as the last line.

    Raises:
        FimlsError: what was asked for can't be done; a finished export stays where a comparison
            fails.
    """
    store = Store()
    with progress_bar() as progress:
        source = ExportSource.of(adapter, model, store, progress)
        exported = export_adapter(
            source, out, to=to, quantization=quantization, store=store, progress=progress
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
