"""What each post-processing step is worth: pass@1 with the step left out.

    python benchmarks/postprocess_ablation.py random-span-light
    python benchmarks/postprocess_ablation.py multi --one-per-problem --adapter none

The model writes each of HumanEval-infilling's middles once, until the completer stops it; the
problems' tests judge what post-processing leaves of that: all steps, none, and all but one. It also
counts how often a step changed something, and how many of the suite's reference middles, which are
right as they are, would be changed.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from record import write_result
from rich.progress import track

from fimls.config import Settings
from fimls.postprocess import STEPS, Processed, process
from fimls.types import CompletionContext, Document, FinishReason, Generation, Mode
from training.evaluation.answers import completer_of
from training.evaluation.run import make_plan
from training.evaluation.suites import Choice, Item, open_suite

_TESTS_AT_ONCE = 2
NOTHING = "nothing"
"""In place of a step's name: no step is left out."""


async def generate(items: Sequence[Item], adapter: str) -> list[Generation]:
    """What the model writes for each item, not post-processed."""
    written = []
    async with completer_of(Settings(deadline_ms=0), adapter=adapter) as completer:
        for item in track(items, "completing"):
            document = Document(item.id, item.language_id, 0, item.prefix + item.suffix)
            result = await completer.complete(
                document, len(item.prefix), invoked=True, mode=item.mode
            )
            written.append(result.generations[0])
    return written


def shown(generation: Generation, item: Item, without: Sequence[str]) -> Processed:
    """What post-processing leaves of a generation."""
    assert item.mode is not None
    context = CompletionContext(
        item.prefix, item.suffix, language_id=item.language_id, mode=item.mode
    )
    return process(generation, context, without=without)


class Judge:
    """Runs each answer once, however many variants lead to it."""

    def __init__(self) -> None:
        self._passed: dict[tuple[str, str], bool] = {}

    def count(self, items: Sequence[Item], texts: Sequence[str]) -> int:
        """How many of the texts pass."""
        pairs = {(item.id, text): item for item, text in zip(items, texts, strict=True)}
        new = [(key, item) for key, item in pairs.items() if key not in self._passed]
        with ThreadPoolExecutor(_TESTS_AT_ONCE) as threads:
            for (key, _), passed in zip(new, threads.map(_passes, new), strict=True):
                self._passed[key] = passed
        return sum(self._passed[key] for key in pairs)


def _passes(asked: tuple[tuple[str, str], Item]) -> bool:
    (_, text), item = asked
    assert item.judge is not None
    return item.judge(text).passed


def ablate(items: Sequence[Item], written: Sequence[Generation], mode: Mode) -> dict[str, object]:
    """pass@1 in percent by the step that is left out, and how often each step changed something."""
    judge = Judge()
    names = [step.name for step in STEPS[mode]]
    variants: dict[str, tuple[str, ...]] = {NOTHING: (), **{name: (name,) for name in names}}
    passed: dict[str, float] = {}
    changed: Counter[str] = Counter()
    for left_out, without in {**variants, "every step": tuple(names)}.items():
        results = [shown(one, item, without) for one, item in zip(written, items, strict=True)]
        count = judge.count(items, [each.text for each in results])
        passed[left_out] = round(100 * count / len(items), 2)
        if left_out == NOTHING:
            changed.update(name for each in results for name, _ in each.trace)
    return {"pass_at_1_percent_without": passed, "changed": {n: changed[n] for n in names}}


def references_changed_percent(items: Sequence[Item]) -> float:
    """How many reference middles post-processing alters by more than blank space at their end."""
    kept = 0
    for item in items:
        reference = Generation((), item.reference, (), FinishReason.STOP)
        kept += shown(reference, item, ()).text.rstrip() == item.reference.rstrip()
    return round(100 * (1 - kept / len(items)), 2)


def main() -> None:
    """Generate, post-process, judge, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=("single", "multi", "random-span", "random-span-light"))
    parser.add_argument("--one-per-problem", action="store_true", help="a seeded choice of 164")
    parser.add_argument("--limit", type=int, help="a seeded sample of so many")
    parser.add_argument("--adapter", default="", help="as the setting")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    suite = open_suite(f"humaneval-{options.suite}")
    choice = Choice(options.limit, options.one_per_problem, seed=options.seed)
    items = make_plan(suite, choice).items
    written = asyncio.run(generate(items, options.adapter))
    mode = items[0].mode
    assert mode is not None
    every = [one for one in suite.items() if isinstance(one, Item)]
    result = {
        "adapter": options.adapter,
        "items": len(items),
        "references_changed_percent": references_changed_percent(every),
        **ablate(items, written, mode),
    }
    write_result(f"postprocess-ablation-{options.suite}", result, seed=options.seed)


if __name__ == "__main__":
    main()
