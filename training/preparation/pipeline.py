"""The pipeline: reading, planning, indexing, drawing, and the report."""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout

import fimls
from fimls.context.query import CountTokens
from fimls.types import FimlsError
from training.corpus import Decontaminator, Dropped, Listed, list_files, open_sources
from training.dataset import Dataset
from training.dataset.format import DatasetInfo, RepositoryInfo, ShardInfo
from training.dataset.writer import DatasetWriter, explained, write_json
from training.preparation.drawing import Drawer, counter, index_repository
from training.preparation.planning import Plan, PlannedRepository, Task, plan
from training.preparation.reading import Chunk, ReadChunk, chunks, read_chunk
from training.preparation.report import write_report
from training.preparation.settings import Settings
from training.types import DatasetError, Repository

_WORK_NAME = "work"


Progress = Callable[[str, int, int], None]
"""Called with a stage and bytes of code: how many of how many are done, 0 as long as nobody knows.
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are."""

    folder: Path
    """The dataset's."""
    sources: Path
    """What is fetched or unpacked, kept for the next time."""
    tokenizer: Path | None = None
    """Counts the snippets' tokens; None where none are wanted."""

    @property
    def work(self) -> Path:
        """What is needed until the dataset is finished."""
        return self.folder / _WORK_NAME


def prepare(
    settings: Settings,
    places: Places,
    *,
    jobs: int,
    progress: Progress,
    resume: bool = False,
) -> DatasetInfo:
    """Make a dataset.

    Raises:
        CorpusError: a source can't be had, or nothing in them can be learnt from.
        DatasetError: the folder can't be used or the disk is full; what is there can be resumed.
    """
    with explained(places.folder):
        places.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(places.folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise DatasetError(
            f"{places.folder}: another process is preparing it", hint="wait for it, or end it"
        ) from error
    try:
        return _prepare(settings, places, jobs=jobs, progress=progress, resume=resume)
    finally:
        lock.release()


def _prepare(
    settings: Settings, places: Places, *, jobs: int, progress: Progress, resume: bool
) -> DatasetInfo:
    writer = DatasetWriter(places.folder, settings.to_json(), resume=resume)
    try:
        planned, read = _read_and_plan(settings, places, jobs, progress)
        _check_unchanged(planned, places.work)
    except FimlsError:
        if not resume:
            shutil.rmtree(places.work, ignore_errors=True)
            writer.discard()
        raise
    shards = _draw(planned, settings, places, writer, jobs, progress)
    repositories = [
        RepositoryInfo(
            one.repository.name, one.repository.commit, one.repository.licence, len(one.files)
        )
        for one in planned.repositories
    ]
    info = writer.describe(shards, repositories, seed=settings.seed, code_version=fimls.__version__)
    with explained(places.folder):
        write_report(Dataset(places.folder, info), planned, read)
    writer.finish(info)
    shutil.rmtree(places.work, ignore_errors=True)  # it is only in the way now
    return info


# ---------------------------------------------------------------------------- reading and planning


def _read_and_plan(
    settings: Settings, places: Places, jobs: int, progress: Progress
) -> tuple[Plan, list[ReadChunk]]:
    repositories: list[Repository] = []
    listed_out: dict[int, list[Dropped]] = {}

    def found() -> Iterator[Chunk]:
        sources = open_sources(settings.sources, work_dir=places.sources, history=settings.newest)
        for number, repository in enumerate(sources):
            repositories.append(repository)
            listed = list(list_files(repository, limits=settings.limits))
            listed_out[number] = [one for one in listed if isinstance(one, Dropped)]
            wanted = [one for one in listed if isinstance(one, Listed)]
            yield from chunks(number, repository, wanted)

    read: list[ReadChunk] = []
    done = 0
    with Workers(jobs, functools.partial(_reader, settings, places.work)) as workers:
        for chunk in workers.map(_read, found()):
            read.append(chunk)
            done += sum(file.bytes for file in chunk.files)
            done += sum(one.bytes for one in chunk.dropped)
            progress("reading", done, 0)
    return plan(repositories, listed_out, read, settings), read


def _reader(settings: Settings, work: Path) -> Callable[[Chunk], ReadChunk]:
    """Make what a reading process keeps."""
    return functools.partial(
        read_chunk,
        work=work,
        public=settings.public,
        limits=settings.limits,
        suites=Decontaminator(),
    )


def _read(reader: Callable[[Chunk], ReadChunk], chunk: Chunk) -> ReadChunk:
    return reader(chunk)


def _check_unchanged(planned: Plan, work: Path) -> None:
    """Keep what the shards are made of; a resumed run must find it as it was.

    Raises:
        DatasetError: it doesn't, so that what was written doesn't fit the rest.
    """
    path = work / "plan.json"
    now = {"sha256": planned.sha256}
    if path.exists() and json.loads(path.read_text("utf-8")) != now:
        raise DatasetError(
            f"{work.parent}: the sources have changed since it was begun",
            hint="delete the folder and prepare it again",
        )
    with explained(work):
        write_json(path, now)


# ---------------------------------------------------------------------------- indexing and drawing


class _Artist:
    """What a drawing process keeps: the repository that it drew from last."""

    def __init__(self, planned: Plan, settings: Settings, places: Places) -> None:
        self._planned = planned
        self._settings = settings
        self._places = places
        self._suites = Decontaminator()
        self._count_tokens: CountTokens | None = None
        self._drawer: tuple[int, Drawer] | None = None
        self._writer = DatasetWriter(places.folder, settings.to_json(), resume=True)

    def index(self, number: int) -> int:
        """Make a repository's index; return how many bytes of code it covers."""
        planned = self._planned.repositories[number]
        index_repository(planned, self._places.work)
        return sum(file.read.bytes for file in planned.files)

    def draw(self, task: Task) -> ShardInfo:
        """Draw a shard."""
        if self._drawer is None or self._drawer[0] != task.number:
            self._drawer = None  # before the next one takes its memory
            self._drawer = task.number, self._new_drawer(self._planned.repositories[task.number])
        return self._drawer[1].write(task, self._writer)

    def _new_drawer(self, planned: PlannedRepository) -> Drawer:
        if self._count_tokens is None:
            self._count_tokens = counter(self._places.tokenizer)
        return Drawer(planned, self._settings, self._places.work, self._count_tokens, self._suites)


def _draw(
    planned: Plan,
    settings: Settings,
    places: Places,
    writer: DatasetWriter,
    jobs: int,
    progress: Progress,
) -> list[ShardInfo]:
    """Write the shards that aren't there yet; return all of them."""
    done = {task.index: writer.done(task.index) for task in planned.tasks}
    left = [task for task in planned.tasks if done[task.index] is None]
    with Workers(jobs, functools.partial(_Artist, planned, settings, places)) as workers:
        if settings.context:
            _index(workers, planned, left, progress)
        total = sum(map(_size, planned.tasks))
        drawn = total - sum(map(_size, left))
        for task, shard in zip(left, workers.map(_Artist.draw, left), strict=True):
            done[task.index] = shard
            drawn += _size(task)
            progress("drawing", drawn, total)
    return [shard for shard in done.values() if shard is not None]


def _index(
    workers: Workers[_Artist], planned: Plan, left: Sequence[Task], progress: Progress
) -> None:
    numbers = sorted({task.number for task in left})
    total = sum(
        file.read.bytes for number in numbers for file in planned.repositories[number].files
    )
    indexed = 0
    for size in workers.map(_Artist.index, numbers):
        indexed += size
        progress("indexing", indexed, total)


def _size(task: Task) -> int:
    return sum(file.read.bytes for file in task.files)


_AHEAD = 4  # items for each process that are handed out before their turn

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")

_state: object = None  # of a worker process; set once, when it starts


class Workers(Generic[State]):
    """Calls a function for many items, in processes that each make a state of their own.

    make: makes the state; picklable, like the items, the results and the functions.
    Not forked: the downloads' threads could hold a lock at that moment.
    """

    def __init__(self, jobs: int, make: Callable[[], State]) -> None:
        self._jobs = jobs
        self._make = make
        self._own: State | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers[State]:
        """Start the processes."""
        if self._jobs > 1:
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._make,),
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Let them finish what they are at, and nothing else."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, function: Callable[[State, Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield ``function(state, item)`` for each item, in their order.

        Raises:
            DatasetError: a process died. Whatever the function raises.
        """
        if self._pool is None:
            if self._own is None:
                self._own = self._make()
            for item in items:
                yield function(self._own, item)
            return
        remaining = iter(items)
        under_way: deque[Future[Result]] = deque()
        try:
            while True:
                room = self._jobs * _AHEAD - len(under_way)
                for item in itertools.islice(remaining, room):
                    under_way.append(self._pool.submit(_call, function, item))
                if not under_way:
                    return
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise DatasetError(
                "a worker process was killed, perhaps for lack of memory",
                hint="go on with --resume, and fewer --jobs",
            ) from error


def _start(make: Callable[[], object]) -> None:
    global _state  # noqa: PLW0603  a process has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent, who ends us
    _state = make()


def _call(function: Callable[[State, Item], Result], item: Item) -> Result:
    return function(_state, item)  # type: ignore[arg-type]  # what `make` made, by `Workers`
