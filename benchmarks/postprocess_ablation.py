"""What each post-processing step is worth: pass@1 with the step left out.

    python benchmarks/humaneval_infilling.py random-span-light --raw
    python benchmarks/postprocess_ablation.py random-span-light

Reads the generations that the first command stored, as the model wrote them until the completer
stopped it, and runs the problems' tests on what post-processing leaves of each: all steps, none,
and all but one. It also counts how often a step changed something, and how many of the suite's
reference middles, which are right as they are, would be changed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from humaneval_infilling import SUITES, Task, passes, read_tasks
from record import RESULTS, write_result

from fimls.postprocess import STEPS, Processed, process
from fimls.types import CompletionContext, FinishReason, Generation, Mode

_TESTS_AT_ONCE = 2
NOTHING = "nothing"
"""In place of a step's name: no step is left out."""


def shown(text: str, reason: str, task: Task, mode: Mode, without: Sequence[str]) -> Processed:
    """What post-processing leaves of a generation."""
    context = CompletionContext(task.prefix, task.suffix, language_id="python", mode=mode)
    generation = Generation((), text, (), FinishReason(reason))
    return process(generation, context, without=without)


class Judge:
    """Runs each program once, however many variants lead to it."""

    def __init__(self) -> None:
        self._passed: dict[str, bool] = {}

    def count(self, programs: Sequence[str]) -> int:
        """How many of the programs pass."""
        new = list(dict.fromkeys(each for each in programs if each not in self._passed))
        with ThreadPoolExecutor(_TESTS_AT_ONCE) as threads:
            self._passed.update(zip(new, threads.map(passes, new), strict=True))
        return sum(self._passed[program] for program in programs)


def ablate(
    tasks: Sequence[Task], answers: Mapping[str, Mapping[str, str]], mode: Mode
) -> dict[str, object]:
    """pass@1 in percent by the step that is left out, and how often each step changed something."""
    judge = Judge()
    names = [name for name, _ in STEPS[mode]]
    variants: dict[str, tuple[str, ...]] = {NOTHING: (), **{name: (name,) for name in names}}
    passed: dict[str, float] = {}
    changed: Counter[str] = Counter()
    for left_out, without in {**variants, "every step": tuple(names)}.items():
        results = [
            shown(answers[task.id]["text"], answers[task.id]["finish_reason"], task, mode, without)
            for task in tasks
        ]
        programs = [task.program(each.text) for task, each in zip(tasks, results, strict=True)]
        passed[left_out] = round(100 * judge.count(programs) / len(tasks), 2)
        if left_out == NOTHING:
            changed.update(name for each in results for name, _ in each.trace)
    return {"pass_at_1_percent_without": passed, "changed": {n: changed[n] for n in names}}


def references_changed_percent(tasks: Sequence[Task], mode: Mode) -> float:
    """How many reference middles post-processing alters by more than blank space at their end."""
    stop = FinishReason.STOP.value
    kept = sum(
        shown(task.middle, stop, task, mode, ()).text.rstrip() == task.middle.rstrip()
        for task in tasks
    )
    return round(100 * (1 - kept / len(tasks)), 2)


def main() -> None:
    """Read, post-process, judge, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--generations", type=Path, help="result of humaneval_infilling.py --raw")
    options = parser.parse_args()
    mode = SUITES[options.suite][1]
    path = options.generations or RESULTS / f"humaneval-infilling-{options.suite}-raw.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    if not stored["raw"]:
        parser.error(f"{path}: these are completions, not generations: use --raw")
    answers = {answer["id"]: answer for answer in stored["tasks"]}
    suite = read_tasks(options.suite, one_per_problem=False, limit=None, seed=stored["seed"])
    tasks = [task for task in suite if task.id in answers]
    result = {
        "generations": path.name,
        "tasks_count": len(tasks),
        "references_changed_percent": references_changed_percent(suite, mode),
        **ablate(tasks, answers, mode),
    }
    write_result(f"postprocess-ablation-{options.suite}", result, seed=stored["seed"])


if __name__ == "__main__":
    main()
