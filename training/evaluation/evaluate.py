"""The whole evaluation: every suite asked of every model, compared, and the gate's decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fimls.config import Settings
from fimls.engines.loading import adapter_folder, load_prompt_builder
from fimls.files import file_sha256
from fimls.progress import Progress, silent
from fimls.store import Store
from fimls.store.adapter import WEIGHTS
from fimls.types import ConfigError
from training.evaluation.answers import (
    Asker,
    CompleterAsker,
    FixedAsker,
    RawAsker,
    completer_of,
)
from training.evaluation.comparison import Decision, decide
from training.evaluation.journal import Journal
from training.evaluation.memorisation import Audit, audit
from training.evaluation.report import Done, comparisons, make_report, run_folder
from training.evaluation.run import CONCURRENCY, JOBS, Plan, make_plan, run
from training.evaluation.suites import ALL_ITEMS, NAMED, Choice, Item, open_suite
from training.evaluation.traces import Traces

GENERAL = "humaneval-single"
GENERAL_ITEMS = 400
"""Of a gate's general suite: enough for an interval of about 3 points on either side."""

_CHOSEN = ("limit", "one_per_cluster", "kinds", "seed")

Answers = Literal["model", "reference", "empty"]
OnDone = Callable[[str, str, int, int], object]
"""Called with suite, model, items done and items in all."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated; the adapter is the settings'."""

    suites: tuple[str, ...]
    """As a person writes them."""
    output: Path
    """The report's folder."""
    baseline: str | None = None
    """What the adapter is compared with, as ``Settings.adapter``; None for nothing or, with a gate,
    for what is served now."""
    raw: bool = False
    """Without post-processing."""
    answers: Answers = "model"
    candidates: int = 1
    choice: Choice = ALL_ITEMS
    gate: float | None = None
    """The margin of the gate as a share; None for no gate."""
    general: str = ""
    """A suite that shows what is forgotten; a gate has one by default."""
    general_items: int = GENERAL_ITEMS
    audit: bool = False
    """Ask for what must not have been memorised."""
    concurrency: int = CONCURRENCY
    """Items asked at once."""
    jobs: int = JOBS
    """Processes that score."""
    fresh: bool = False
    """Begin anew instead of going on."""


_Planned = tuple[Plan, bool]  # and whether it is there to show what is forgotten


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is asked."""

    label: str
    """In the report: "base", or the adapter's name."""
    adapter: str
    """As the setting."""
    folder: Path | None
    """The adapter's; None for the base alone."""


async def evaluate(
    request: Request, settings: Settings, *, progress: Progress = silent, on_done: OnDone
) -> dict[str, Any]:
    """Ask everything that the output folder doesn't have yet; return the report.

    Raises:
        FimlsError: a suite, an adapter or the engine can't be used; what was done is kept.
    """
    models = await asyncio.to_thread(_models, request, settings)
    plans = await _plans(request, settings, models, progress)
    done: dict[tuple[str, str], Done] = {}
    audits: dict[str, Audit] = {}
    for model in models:
        async with _asked(request, settings, model, progress) as (asker, raw):
            runs = [
                await _run(request, settings, planned, model, asker, on_done) for planned in plans
            ]
            if request.audit and raw is not None:
                audits[model.label] = await _audit(raw, runs, model)
        done |= {(one.plan.suite.name, model.label): one for one in runs}
    ordered = [done[plan.suite.name, one.label] for plan, _ in plans for one in models]
    return make_report(
        ordered,
        about=_about(request, settings) | {"concurrency": request.concurrency},
        seed=request.choice.seed,
        memory={label: found.as_json() for label, found in audits.items()},
        decision=None if request.gate is None else _decide(ordered, request),
    )


@asynccontextmanager
async def _asked(
    request: Request, settings: Settings, model: Model, progress: Progress
) -> AsyncIterator[tuple[Asker, RawAsker | None]]:
    """Yield what is asked, and the model alone; without a model None."""
    if request.answers != "model":
        yield FixedAsker(reference=request.answers == "reference"), None
        return
    async with completer_of(settings, adapter=model.adapter, progress=progress) as completer:
        raw = RawAsker(completer, request.candidates)
        shown = CompleterAsker(completer, request.candidates)
        yield raw if request.raw else shown, RawAsker(completer)


def _models(request: Request, settings: Settings) -> list[Model]:
    """Return the baseline, if there is one, and what is evaluated."""
    if request.answers != "model":
        return [Model(request.answers, "", None)]
    store = Store()
    baseline = request.baseline
    if baseline is None and request.gate is not None:
        baseline = ""  # what is served now
    names = [settings.adapter] if baseline is None else [baseline, settings.adapter]
    found: list[Model] = []
    for name in names:
        folder = adapter_folder(replace(settings, adapter=name), store)
        label = "base" if folder is None else folder.resolve().name
        if found and folder == found[0].folder:
            raise ConfigError(
                f"the adapter and the baseline are the same: {label}",
                hint="--baseline none is the model without an adapter",
            )
        if found and label == found[0].label:
            label += "-2"
        found.append(Model(label, name, folder))
    return found


async def _plans(
    request: Request, settings: Settings, models: Sequence[Model], progress: Progress
) -> list[_Planned]:
    forgetting = request.general or (GENERAL if request.gate is not None else "")
    specs = list(dict.fromkeys([*request.suites, *filter(None, [forgetting])]))
    builder = None
    if settings.context and request.answers == "model" and any(one not in NAMED for one in specs):
        chosen = replace(settings, adapter=models[-1].adapter)
        builder = await load_prompt_builder(chosen, Store(), progress=progress)

    def make() -> list[_Planned]:
        leak = _leak_check(models)
        sample = Choice(request.general_items, seed=request.choice.seed)
        planned = []
        for spec in specs:
            general = spec == forgetting
            choice = sample if general else request.choice
            suite = open_suite(spec, request.choice, builder)
            planned.append((make_plan(suite, choice, leak=leak), general))
        return planned

    return await asyncio.to_thread(make)


def _leak_check(models: Sequence[Model]) -> Callable[[Item], str] | None:
    """What any model was trained on is left out for all of them: they answer the same items."""
    traces = [
        found
        for one in models
        if one.folder is not None and (found := Traces.read(one.folder)) is not None
    ]
    return Traces.joined(traces).leak if traces else None


async def _run(
    request: Request,
    settings: Settings,
    planned: _Planned,
    model: Model,
    asker: Asker,
    on_done: OnDone,
) -> Done:
    plan, general = planned
    suite = plan.suite.name
    about = _about(request, replace(settings, adapter=model.label)) | {
        "suite": suite,
        "version": plan.suite.version,
        "items": plan.fingerprint,
    }
    about["weights"] = await asyncio.to_thread(_weights_sha256, model.folder)
    folder = run_folder(request.output, suite, model.label)
    journal = Journal(folder, about, fresh=request.fresh)
    elapsed = await run(
        plan,
        asker,
        journal,
        concurrency=request.concurrency,
        jobs=request.jobs,
        on_done=lambda count: on_done(suite, model.label, count, len(plan.items)),
    )
    rows = journal.finish([item.id for item in plan.items])
    return Done(plan, model.label, rows, elapsed, general=general)


def _weights_sha256(folder: Path | None) -> str:
    """Return the hash of an adapter's weights: one that was trained again isn't the same."""
    path = None if folder is None else folder / WEIGHTS
    return file_sha256(path) if path is not None and path.is_file() else ""


async def _audit(asker: Asker, runs: Sequence[Done], model: Model) -> Audit:
    sources = [one.plan.suite.sources for one in runs]
    return await audit(
        asker,
        [row for one in runs for row in one.rows],
        adapter=model.folder,
        traces=Traces.read(model.folder) if model.folder else None,
        sources=[folder for folder in dict.fromkeys(sources) if folder is not None],
    )


def _decide(runs: Sequence[Done], request: Request) -> Decision:
    assert request.gate is not None
    general = {one.plan.suite.name for one in runs if one.general}
    found = {one["suite"]: one["changes"] for one in comparisons(runs, request.choice.seed)}
    return decide(
        {name: changes for name, changes in found.items() if name not in general},
        {name: changes for name, changes in found.items() if name in general},
        margin=request.gate,
    )


def _about(request: Request, settings: Settings) -> dict[str, Any]:
    """What decides the answers; rows that were made otherwise aren't mixed with these."""
    decisive = asdict(settings)
    del decisive["log_level"]  # a run goes on, however much it logs
    return {
        "raw": request.raw,
        "answers": request.answers,
        "candidates": request.candidates,
        "choice": _plain({name: getattr(request.choice, name) for name in _CHOSEN}),
        "per_kind": request.choice.per_kind,
        "settings": _plain(decisive),
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back, so that it can be compared with what was stored."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }
