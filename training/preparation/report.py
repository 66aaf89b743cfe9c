"""The report: what was dropped and why, and what the examples are."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from fimls.report.page import render_page
from training.corpus import Dropped
from training.dataset import Dataset
from training.dataset.format import shard_paths
from training.dataset.writer import write_json
from training.preparation.planning import Plan, PlannedRepository
from training.preparation.reading import ReadChunk, ReadFile
from training.types import FimExample, Split

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_MEGABYTE = 1_000_000
_REPOSITORIES_MAX = 200
_PREFIX_CHARS, _SUFFIX_CHARS = 900, 400
_MIDDLES = ("examples", "median_chars", "p90_chars", "max_chars")
_SHOWN_EXAMPLES = 5
_SHOWN_OF_A_KIND = 1


def write_report(dataset: Dataset, planned: Plan, read: Sequence[ReadChunk]) -> None:
    """Write ``report.json`` and ``report.html`` beside a dataset that is about to be finished.

    Raises:
        OSError: they can't be written. DatasetError: a shard can't be read.
    """
    report = numbers(dataset, planned, read)
    write_json(dataset.folder / "report.json", report)
    page = _page(report, _shown(dataset))
    (dataset.folder / "report.html").write_text(page, "utf-8")


def numbers(dataset: Dataset, planned: Plan, read: Sequence[ReadChunk]) -> dict[str, Any]:
    """All counts, as JSON. Bytes are of text in UTF-8; folders that were left out count as one."""
    kept = [one.read for repository in planned.repositories for one in repository.files]
    dropped = list(itertools.chain.from_iterable(planned.dropped.values()))
    scrubbed = sum((chunk.scrubbed for chunk in read), Counter[str]())
    return {
        "settings": dataset.info.settings,
        "corpus_sha256": dataset.sha256,
        "kept": {"files": len(kept), "bytes": sum(file.bytes for file in kept)},
        "dropped": _by(dropped, lambda one: one.reason.value),
        "languages": _by(kept, lambda file: file.language_id),
        "licences": _by(kept, lambda file: file.licence or "none"),
        "repositories": [
            _repository(one, planned.dropped[one.number]) for one in planned.repositories
        ],
        "scrubbed": dict(sorted(scrubbed.items())),
        "splits": {
            "units": planned.splits.units,
            "largest_cluster": planned.splits.largest_cluster,
            **{
                split: {"files": counts.files, "examples": counts.examples}
                for split, counts in dataset.info.counts.items()
            },
        },
        **_examples(dataset),
    }


def _by(things: Iterable[Any], name: Callable[[Any], str]) -> dict[str, dict[str, int]]:
    """Files and bytes by a name, the most bytes first."""
    counts: dict[str, dict[str, int]] = {}
    for thing in things:
        count = counts.setdefault(name(thing), {"files": 0, "bytes": 0})
        count["files"] += 1
        count["bytes"] += thing.bytes
    order = sorted(counts, key=lambda key: (-counts[key]["bytes"], -counts[key]["files"], key))
    return {key: counts[key] for key in order}


def _repository(planned: PlannedRepository, dropped: Sequence[Dropped]) -> dict[str, Any]:
    files: list[ReadFile] = [one.read for one in planned.files]
    return {
        "name": planned.repository.name,
        "commit": planned.repository.commit,
        "licence": planned.repository.licence,
        "kept": {"files": len(files), "bytes": sum(file.bytes for file in files)},
        "dropped": _by(dropped, lambda one: one.reason.value),
    }


def _examples(dataset: Dataset) -> dict[str, Any]:
    """How long the middles are, by kind, in characters, and how many have snippets."""
    lengths: dict[str, list[int]] = {}
    snippets: list[int] = []
    for shard in dataset.info.shards:
        path = shard_paths(dataset.folder, shard.index)[1]
        table = pq.read_table(path, columns=["kind", "start", "end", "snippets"])
        chars = pc.subtract(table["end"], table["start"]).to_pylist()
        for kind, length in zip(table["kind"].to_pylist(), chars, strict=True):
            lengths.setdefault(kind, []).append(length)
        snippets += pc.list_value_length(table["snippets"]).to_pylist()
    count = len(snippets)
    return {
        "examples": count,
        "kinds": {kind: _quantiles(sorted(found)) for kind, found in sorted(lengths.items())},
        "snippets": {
            "examples_with": sum(map(bool, snippets)),
            "mean": round(sum(snippets) / count, 3) if count else 0,
        },
    }


def _quantiles(lengths: Sequence[int]) -> dict[str, int]:
    last = len(lengths) - 1
    return {
        "examples": len(lengths),
        "median_chars": lengths[last // 2],
        "p90_chars": lengths[last * 9 // 10],
        "max_chars": lengths[last],
    }


def _shown(dataset: Dataset) -> list[FimExample]:
    """A few examples of different kinds."""
    shown: list[FimExample] = []
    kinds = Counter[str]()
    for example in dataset.examples(Split.TRAIN, shuffle_seed=0):
        kind = example.span.kind.value
        if kinds[kind] < _SHOWN_OF_A_KIND:
            kinds[kind] += 1
            shown.append(example)
        if len(shown) == _SHOWN_EXAMPLES:
            break
    return shown


def _page(report: Mapping[str, Any], examples: Sequence[FimExample]) -> str:
    """The page of a report's numbers and a few examples."""
    repositories = report["repositories"]
    splits: Mapping[str, Any] = report["splits"]
    return render_page(
        _TEMPLATE,
        report=report,
        lost=sum(one["files"] for one in report["dropped"].values()),
        splits=[
            [name, one["files"], one["examples"]]
            for name, one in splits.items()
            if isinstance(one, dict)
        ],
        kinds=[[kind, *(one[name] for name in _MIDDLES)] for kind, one in report["kinds"].items()],
        repositories=list(map(_row, repositories[:_REPOSITORIES_MAX])),
        more=len(repositories) - _REPOSITORIES_MAX,
        examples=[(example, *_around(example)) for example in examples],
        size=_size,
        sizes=_sizes,
    )


def _sizes(counts: Mapping[str, Mapping[str, int]]) -> list[list[object]]:
    """Rows of files and bytes by a name."""
    return [[name, one["files"], _size(one["bytes"])] for name, one in counts.items()]


def _row(one: Mapping[str, Any]) -> list[object]:
    dropped = (f"{count['files']:,} {reason}" for reason, count in one["dropped"].items())
    kept = one["kept"]
    return [
        *(one["name"], one["commit"][:12], one["licence"] or "none"),
        *(kept["files"], _size(kept["bytes"]), ", ".join(dropped)),
    ]


def _around(example: FimExample) -> tuple[str, str]:
    """The code to show before an example's middle, from the start of a line, and after it."""
    text, span = example.file.text, example.span
    start = max(0, span.start - _PREFIX_CHARS)
    start = text.find("\n", start, span.start) + 1 if start else 0
    return text[start : span.start], text[span.end : span.end + _SUFFIX_CHARS]


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:,.2f} MB"
