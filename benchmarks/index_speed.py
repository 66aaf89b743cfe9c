"""How long a workspace of 20,000 files takes to index, a saved file to be found, a question to be
answered.

    python benchmarks/index_speed.py

The files are Python's standard library, tests included, over and over: in each copy most of the
identifiers that only few files share are renamed, so that the vocabulary grows as a real one does.
Run it alone: the process has the lowest priority and waits for everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import re
import statistics
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from record import write_result

from fimls.context.extract import extract
from fimls.context.index import Index
from fimls.context.indexer import Indexer, IndexState, database_path

FILE_BYTES = (200, 40_000)
RENAMED_SHARE = 0.6
# A word in more files than this part of them is everybody's: it keeps its name.
COMMON_SHARE = 0.05
QUERY_LINES, QUERY_WORDS = 20, 30
QUERIES, SAVES = 300, 30
_WORD = re.compile(r"[A-Za-z_]\w+")


def originals() -> Iterator[tuple[Path, str]]:
    """The standard library's files: relative path and text."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        smallest, largest = FILE_BYTES
        if "site-packages" in path.parts or not smallest <= path.stat().st_size <= largest:
            continue
        with contextlib.suppress(UnicodeDecodeError):  # some tests are about other encodings
            yield path.relative_to(library), path.read_text(encoding="utf-8")


def make_workspace(folder: Path, count: int, rng: random.Random) -> int:
    """Write ``count`` files; return their characters."""
    sources = list(originals())
    files = Counter[str]()
    for _, text in sources:
        files.update(set(_WORD.findall(text)))
    endings = sorted({word for word in files if word.isalpha() and word.islower()})
    renamed = dict[str, str]()

    def rename(match: re.Match[str]) -> str:
        word = match[0]
        if files[word] > len(sources) * COMMON_SHARE:
            return word
        if word not in renamed:
            ending = rng.choice(endings) if rng.random() < RENAMED_SHARE else ""
            joined = f"{word}{ending.capitalize()}" if word[0].isupper() else f"{word}_{ending}"
            renamed[word] = joined if ending else word
        return renamed[word]

    characters = 0
    for number, (path, text) in enumerate(itertools.islice(itertools.cycle(sources), count)):
        copy, place = divmod(number, len(sources))
        if place == 0:
            renamed.clear()
        target = folder / f"package{copy:02}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        new = _WORD.sub(rename, text) if copy else text
        target.write_text(new, encoding="utf-8")
        characters += len(new)
    return characters


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    values = sorted(values)
    return {
        "median": round(statistics.median(values), 2),
        "p95": round(values[int(len(values) * 0.95)], 2),
        "max": round(values[-1], 2),
        "n": len(values),
    }


async def lags(found: list[float]) -> None:
    """Measure, until cancelled, by how many milliseconds the event loop is late."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        found.append((time.perf_counter() - began) * 1000 - 5)


def process_facts(pid: int) -> dict[str, float]:
    """Processor seconds and peak memory, in megabytes (10^6 bytes), of a process."""
    used = psutil.Process(pid).cpu_times()
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return {
        "processor_s": round(used.user + used.system, 1),
        "peak_mb": round(peak * 1.024e-3, 1),
    }


async def measure_scan(folder: Path, database: Path) -> dict[str, Any]:
    """Start an indexer, wait until it is ready, end it."""
    indexer = Indexer(folder, database)
    late: list[float] = []
    watching = asyncio.create_task(lags(late))
    began = time.perf_counter()
    await indexer.start()
    await indexer.idle()
    seconds = time.perf_counter() - began
    watching.cancel()
    if indexer.state is not IndexState.READY or indexer.pid is None:
        raise SystemExit(f"the index is {indexer.state}: {indexer.failure}")
    facts = process_facts(indexer.pid)
    await indexer.aclose()
    return {"wall_s": round(seconds, 2), **facts, "event_loop_late_ms": percentiles(late)}


async def measure_saves(
    folder: Path, database: Path, index: Index, files: list[Path]
) -> dict[str, float]:
    """Milliseconds from ``update`` until a new name in the middle of a file is found."""
    indexer = Indexer(folder, database)
    await indexer.start()
    await indexer.idle()
    milliseconds = []
    for number, path in enumerate(files):
        lines = path.read_text(encoding="utf-8").split("\n")
        lines.insert(len(lines) // 2, f"def just_saved_{number}(): pass")
        path.write_text("\n".join(lines), encoding="utf-8")
        began = time.perf_counter()
        indexer.update([path])
        while not index.search([f"just_saved_{number}"], limit=1):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.0005)
        milliseconds.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.1)
    await indexer.aclose()
    return percentiles(milliseconds)


def queries(files: list[Path], folder: Path, rng: random.Random) -> Iterator[tuple[str, list[str]]]:
    """Where a cursor could be, and the words around it."""
    for path in files:
        lines = path.read_text(encoding="utf-8").split("\n")
        start = rng.randrange(max(1, len(lines) - QUERY_LINES))
        block = "\n".join(lines[start : start + QUERY_LINES])
        words = sorted(extract(block.encode(), "python").windows[0])
        yield path.relative_to(folder).as_posix(), rng.sample(words, min(QUERY_WORDS, len(words)))


def timed(question: Callable[[], object]) -> float:
    """Milliseconds that a question takes."""
    began = time.perf_counter()
    question()
    return (time.perf_counter() - began) * 1000


def measure_queries(index: Index, asked: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """Milliseconds for each kind of question; "first" is without knowing which words are common."""
    times: dict[str, list[float]] = {}
    for turn in ("first", "again"):
        times[f"search_{turn}_ms"] = [
            timed(lambda: index.search(words, limit=8, exclude=[path]))  # noqa: B023 - called now
            for path, words in asked
        ]
    for name, question in (("known", index.known), ("defining_files", index.defining_files)):
        times[f"{name}_ms"] = [timed(lambda: question(words)) for _, words in asked]  # noqa: B023
    words_mean = statistics.mean(len(words) for _, words in asked)
    return {
        "words_mean": round(words_mean, 1),
        **{name: percentiles(values) for name, values in times.items()},
    }


async def measure(count: int, seed: int) -> dict[str, Any]:
    """Everything, in a temporary folder."""
    rng = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "workspace"
        characters = make_workspace(folder, count, rng)
        database = database_path(folder, Path(temporary))
        full = await measure_scan(folder, database)
        unchanged = await measure_scan(folder, database)
        megabytes = sum(path.stat().st_size for path in database.parent.iterdir()) / 1e6
        files = rng.sample(sorted(folder.rglob("*.py")), QUERIES)
        with contextlib.closing(Index(database)) as index:
            result = {
                "files": count,
                "files_indexed": index.files(),
                "source_mb": round(characters / 1e6, 1),
                "full": full,
                "unchanged": unchanged,
                "database_mb": round(megabytes, 1),
                "saved_until_found_ms": await measure_saves(folder, database, index, files[:SAVES]),
                "queries": measure_queries(index, list(queries(files, folder, rng))),
            }
    return result


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="index")
    options = parser.parse_args()
    result = asyncio.run(measure(options.files, options.seed))
    write_result(options.name, result, seed=options.seed)


if __name__ == "__main__":
    main()
