"""The engine ``slurm``: the items of a map as the tasks of a job array, everything else in the process of the run.

A map becomes one array, with as many tasks as it has chunks, the sbatch options of the map and of the engine, and at
most ``simultaneous_tasks`` at once. Body, inputs and answers are files in a folder that all nodes see; answers are read
as they are written, and the state of all jobs is asked for at once. A job that dies fails the item that it was at, and
the rest of its chunk is submitted again. What is left of arrays is cancelled when the run ends, however it does.

What it does not do: submit tasks that are no items of a map, keep a job whose run is gone, or copy files to nodes.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, NotPortable, Problem, RunFailed, WorkerDied
from fairlead.adapters.workflow.engines import slurm_job
from fairlead.adapters.workflow.engines.concurrent import TICK, Concurrent
from fairlead.adapters.workflow.engines.crossing import dumps, not_readable, read_error, written_chunk
from fairlead.adapters.workflow.engines.last_will import LastWill
from fairlead.adapters.workflow.engines.tries import Tries, retries_of
from fairlead.adapters.workflow.engines.work import first_failure, heed, lost_item, read_answer, written_body
from fairlead.adapters.workflow.exceptions import ExitPipeline
from fairlead.adapters.workflow.limits import timed_out
from fairlead.adapters.workflow.running import run_block
from fairlead.adapters.workflow.sbatch import DIRECTIVES

if TYPE_CHECKING:
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
    from fairlead.adapters.workflow.run_state import Run

FOLDER_VARIABLE = "FAIRLEAD_TEMP"
_OURS = {"array", "error", "output", "wrap", "parsable"}
"""Options of sbatch that the engine gives itself."""
_GOING_ON = {
    "PENDING",
    "RUNNING",
    "COMPLETING",
    "CONFIGURING",
    "SUSPENDED",
    "STOPPED",
    "SIGNALING",
    "STAGE_OUT",
    "RESIZING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}
_PURGED = "no longer known to Slurm"
_FORGOTTEN = "Invalid job id"
"""What squeue says, and fails with, if it knows no job of those that it was asked for."""
_PATIENCE = 60.0
"""Seconds without an answer after which that is told."""
_logger = logging.getLogger(__name__)


class Slurm(Concurrent):
    """Runs the items of maps as job arrays."""

    name = "slurm"

    def __init__(
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        poll: float = 2.0,
        max_jobs: int = 64,
        grace: float = 5.0,
        **directives: Any,
    ) -> None:
        """Submit nothing yet.

        Args:
            folder: where the files of jobs are while they run; all nodes must see it under this path. Without it, the
                environment variable ``FAIRLEAD_TEMP`` says.
            poll: seconds between two questions about the state of jobs.
            max_jobs: how many tasks an array may have, where the map's ``chunk`` is ``"auto"``.
            grace: seconds after its time limit at which a job that hangs in compiled code ends.
            directives: options of sbatch for all maps, in snake case, e.g. ``partition="long"``; those of a map win.

        Raises:
            InputInvalid: an option is unknown or out of range, no folder is given, or Slurm is not here.
        """
        folder = folder or os.environ.get(FOLDER_VARIABLE)
        wrong = [
            Problem(f"backend 'slurm', option '{each}'", "is unknown", _known(), "") for each in _unknown(directives)
        ]
        if not folder:
            where = "backend 'slurm', folder"
            remedy = f"Give it as an option of the backend, or set {FOLDER_VARIABLE}."
            wrong.append(Problem(where, "is not given", "a folder that all nodes see under one path", remedy))
        for name, number in (("poll", poll), ("max_jobs", max_jobs)):
            if not number > 0:
                wrong.append(Problem(f"backend 'slurm', {name}", f"{number!r} is not above 0", "a number above 0", ""))
        missing = [each for each in ("sbatch", "squeue", "scancel") if shutil.which(each) is None]
        if missing:
            found = f"{', '.join(missing)} cannot be found"
            wrong.append(
                Problem("backend 'slurm'", found, "Slurm's commands on PATH", "Run this where jobs are submitted.")
            )
        if wrong:
            raise InputInvalid(wrong)
        self.poll, self.max_jobs, self.grace, self.directives = poll, max_jobs, grace, directives
        self._token = uuid.uuid4().hex[:12]
        self.folder = Path(folder or "").absolute() / f"fairlead-{self._token}"
        self._here = threading.Lock()
        self._numbers = threading.Lock()
        self._maps = 0
        self._names: list[str] = []
        self._will: LastWill | None = None
        self._is_kept = False

    def run_apart(self, block: Block, inputs: Mapping[str, Any], run: Run, path: str) -> Outputs:
        """See `Concurrent.run_apart`: in the process of the run, one at a time."""
        with self._here:
            return run_block(block, inputs, run, path)

    def run_items(
        self, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        """See `Engine.run_items`."""
        if not items:
            return
        body, rest = written_body("item", mapping, run, path, items)
        array = _Array(self, mapping, items, rest, run, path, self._place(mapping))
        (array.folder / slurm_job.BODY).write_bytes(body)
        yield from first_failure(mapping, len(items), self._answers(array), array.leave_out)

    def _answers(self, array: _Array) -> Generator[tuple[int, Outputs | ItemFailed]]:
        is_well = False
        try:
            yield from array.answers()
            is_well = not array.has_died
        except ExitPipeline:
            is_well = True
            raise
        finally:
            array.cancel()
            if is_well:
                shutil.rmtree(array.folder, ignore_errors=True)
            else:
                self._is_kept = True

    def _place(self, mapping: MapWorkflow) -> Path:
        """Make the folder of a map's jobs, and see to it that they are cancelled if this process dies."""
        with self._numbers:
            self._maps += 1
            self._names.append(self.job_name(mapping))
            folder = self.folder / f"{self._maps}-{mapping.name}"
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir()
            except OSError as error:
                where = f"backend 'slurm', folder {self.folder.parent}"
                problem = Problem(where, f"nothing can be written there: {error}", "a folder that all nodes see", "")
                raise InputInvalid(problem) from error
            if self._will is None:
                self._will = LastWill()
            self._will.be(f"scancel --name={shlex.quote(','.join(dict.fromkeys(self._names)))}")
        return folder

    def job_name(self, mapping: MapWorkflow) -> str:
        """Return the name of a map's jobs, which no other run's have."""
        given = mapping.directives.get("job_name") or self.directives.get("job_name") or mapping.name
        return f"{given}-{self._token}".replace(",", "_")

    def close(self) -> None:
        """See `Engine.close`; every array was cancelled, and its files removed, when its map ended."""
        if self._will is not None:
            self._will.dismiss()
            self._will = None
        if not self._is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _unknown(directives: Mapping[str, Any]) -> list[str]:
    return sorted(set(directives) - (DIRECTIVES - _OURS))


def _known() -> str:
    return "folder, poll, max_jobs, grace, or an option of sbatch in snake case"


@dataclass
class _Chunk:
    """A task of an array, and how far it has come."""

    indices: list[int]
    answers: slurm_job.Answers
    job: str = ""
    at: int | None = None
    """The item that it is at."""
    has_ended: bool = False
    limits: list[tuple[float, float, str]] = field(default_factory=list)
    """When each limit in force was told of, its seconds, and whose it is."""
    last_state: str = ""
    """Its state when it was last asked for, if it was over by then."""

    @property
    def left(self) -> list[int]:
        return [index for index in self.indices if index != self.at]


class _Array:
    """A map's items as jobs."""

    def __init__(
        self,
        engine: Slurm,
        mapping: MapWorkflow,
        items: Sequence[Mapping[str, Any]],
        rest: list[dict[str, Any]],
        run: Run,
        path: str,
        folder: Path,
    ) -> None:
        self.engine, self.mapping, self.items, self.rest = engine, mapping, items, rest
        self.run, self.path, self.folder = run, path, folder
        self.has_died = False
        self._chunks: list[_Chunk] = []
        self._last = len(items)
        self._tries = Tries(retries_of(mapping, run, path))
        self._refused: list[tuple[int, NotPortable]] = []
        """Items that could not be written, or not read."""
        self._is_one_by_one = False
        """Whether items are written one by one, since a chunk of them could not be read."""
        self._asked = self._answered = time.monotonic()
        self._is_warned = False

    def answers(self) -> Iterator[tuple[int, Outputs | ItemFailed]]:
        """Submit the items, and yield what comes of each."""
        number = len(self.items)
        size = self.mapping.chunk if isinstance(self.mapping.chunk, int) else -(-number // self.engine.max_jobs)
        self._submit([list(range(start, min(start + size, number))) for start in range(0, number, size)])
        left = number
        while left:
            self.run.check()
            came = False
            for each in self._read():
                came = True
                left -= 1
                yield each
            if left and not came:
                for each in (*self._not_sent(), *self._dead()):
                    left -= 1
                    yield each
                self._start_due()
                time.sleep(self._tries.wait(TICK))

    def leave_out(self, after: int) -> None:
        """Start no item any more that comes after one."""
        self._last = after
        self._tries.leave_out(after)
        part = self.folder / f"{slurm_job.UNTIL}.part"
        part.write_text(str(after), encoding="ascii")
        part.rename(self.folder / slurm_job.UNTIL)
        waiting = [chunk.job for chunk in self._chunks if chunk.indices and chunk.indices[0] > after]
        if waiting:
            _command(["scancel", "--state=PENDING", *waiting])

    def cancel(self) -> None:
        """Cancel what is left of the jobs."""
        going_on = sorted({chunk.job.partition("_")[0] for chunk in self._chunks if not chunk.has_ended})
        if going_on:
            _command(["scancel", *going_on])

    def _submit(self, parts: Sequence[Sequence[int]]) -> None:
        """Submit chunks as one array."""
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        first = len(self._chunks)
        written = [self._written(indices) for indices in parts]
        written = [(indices, data) for indices, data in written if indices]
        if not written:
            return
        for number, (indices, data) in enumerate(written, first):
            slurm_job.inputs_of(self.folder, number).write_bytes(dumps((indices, data)))
            self._chunks.append(
                _Chunk(indices, slurm_job.Answers(slurm_job.answers_of(self.folder, number)), has_ended=True)
            )
        directives = {**self.engine.directives, **self.mapping.directives}
        directives = {name: value for name, value in directives.items() if name not in {"job_name", *_OURS}}
        executor = submitit.SlurmExecutor(folder=str(self.folder / "jobs"))
        executor.update_parameters(
            job_name=self.engine.job_name(self.mapping),
            time=None,
            wckey=None,
            signal_delay_s=1,
            use_srun=False,
            array_parallelism=self.mapping.simultaneous_tasks or len(written),
            additional_parameters={name: value for name, value in directives.items() if value not in {None, False}},
        )
        numbers = range(first, first + len(written))
        try:
            jobs = executor.map_array(
                slurm_job.work, [str(self.folder)] * len(numbers), numbers, [self.engine.grace] * len(numbers)
            )
        except (FailedJobError, FailedSubmissionError) as error:
            given = ", ".join(f"{name}={value!r}" for name, value in directives.items()) or "no options"
            problem = Problem(f"map '{self.mapping.name}', sbatch", f"Slurm refused the job: {error}", given, "")
            raise InputInvalid(problem) from error
        for number, job in zip(numbers, jobs, strict=True):
            self._chunks[number].job = job.job_id
            self._chunks[number].has_ended = False

    def _written(self, indices: Sequence[int]) -> tuple[list[int], list[bytes]]:
        given = [(index, self.rest[index]) for index in indices]
        who, one_by_one = self._who("{index}"), self._is_one_by_one
        return written_chunk(
            who, given, lambda index, error: self._refused.append((index, error)), one_by_one=one_by_one
        )

    def _not_sent(self) -> Iterator[tuple[int, ItemFailed]]:
        """Fail the items that could not be written, or not read."""
        refused, self._refused = self._refused, []
        for index, error in refused:
            yield index, lost_item(self.mapping, index, self.items[index], error, self.run, self.path)

    def _start_due(self) -> None:
        """Submit the items whose waits for another try are over."""
        due = self._tries.due()
        for index in due:
            self.rest[index] = self._tries.given(index, self.rest[index])
        if due:
            self._submit([[index] for index in due])

    def _read(self) -> Iterator[tuple[int, Outputs | ItemFailed]]:  # noqa: C901, PLR0912 (a case a message)
        """Go through what jobs have said since."""
        again: list[list[int]] = []
        for chunk in self._chunks:
            if chunk.has_ended:
                continue
            for kind, *what in chunk.answers.fresh():
                chunk.last_state = ""
                if kind == "note":
                    heed(what, self.run)
                    self._tries.heed(what)
                elif kind == "at":
                    chunk.at = what[0]
                elif kind == "limit":
                    if what[0]:
                        chunk.limits.append((time.monotonic(), *what))
                    elif chunk.limits:
                        chunk.limits.pop()
                elif kind == "broken":
                    raise read_error(what[0])
                elif kind == "end":
                    chunk.has_ended = True
                elif kind == "unread":
                    self._is_one_by_one = True
                    again.append([index for index in chunk.indices if index <= self._last])
                elif kind == "refused":
                    index, why = what
                    chunk.indices.remove(index)
                    self._refused.append((index, not_readable(self._who(index), "what it is given", why)))
                elif kind == "done":
                    index, answer = what
                    chunk.at = None
                    chunk.limits.clear()
                    chunk.indices.remove(index)
                    yield index, self._read_answer(index, answer)
        if again:
            self._submit(again)

    def _read_answer(self, index: int, answer: bytes) -> Outputs | ItemFailed:
        found = read_answer(answer, self._who(index))
        if isinstance(found, Exception):
            return lost_item(self.mapping, index, self.items[index], found, self.run, self.path)
        return found

    def _who(self, index: int | str) -> str:
        return f"map '{self.mapping.name}', item {index}"

    def _dead(self) -> Iterator[tuple[int, ItemFailed]]:
        """Look for jobs that are over without having said so, and fail the items that they were at."""
        if time.monotonic() - self._asked < self.engine.poll:
            return
        self._asked = time.monotonic()
        going_on = [chunk for chunk in self._chunks if not chunk.has_ended]
        states = _states({chunk.job for chunk in going_on}) if going_on else {}
        if states is None:  # then no job is known to be over
            self._wait_for_slurm()
            return
        self._answered = time.monotonic()
        self._is_warned = False
        again: list[list[int]] = []
        for chunk in going_on:
            state, node = states.get(chunk.job, (_PURGED, ""))
            if state in _GOING_ON:
                continue
            if not chunk.last_state:  # what it wrote last may not be visible here yet
                chunk.last_state = state
                continue
            chunk.has_ended = True
            yield from self._lost(chunk, state, node, again)
        if again:
            self._submit(again)

    def _wait_for_slurm(self) -> None:
        """Say, once, that Slurm has not answered for a while."""
        seconds = time.monotonic() - self._answered
        if seconds > _PATIENCE and not self._is_warned:
            self._is_warned = True
            _logger.warning("map '%s': Slurm has not answered for %.0f s; asking on.", self.mapping.name, seconds)

    def _lost(self, chunk: _Chunk, state: str, node: str, again: list[list[int]]) -> Iterator[tuple[int, ItemFailed]]:
        """Fail the item that a dead job was at, and have the others done; all of them if it never came to the first."""
        rest = [index for index in chunk.left if index <= self._last]
        failed = [index for index in (chunk.at,) if index is not None]
        if not failed or state == "CANCELLED":
            failed, rest = [*failed, *chunk.left], []
        if rest:
            again.append(rest)
        for index in failed:
            error = self._death(chunk, index, state, node)
            if index == chunk.at and state != "CANCELLED" and self._tries.again(index, error):
                continue
            self.has_died = True
            yield index, lost_item(self.mapping, index, self.items[index], error, self.run, self.path)

    def _death(self, chunk: _Chunk, index: int, state: str, node: str) -> RunFailed:
        passed = [limit for limit in chunk.limits if time.monotonic() - limit[0] >= limit[1] + self.engine.grace]
        if passed:
            return timed_out(*passed[0][1:])
        log = self.folder / "jobs" / f"{chunk.job}_0_log.err"
        where = f" on {node}" if node else ""
        error = WorkerDied(
            f"{self._who(index)}: Slurm job {chunk.job} ended as {state}{where}.",
            remedy="See its log, and what the job may use (time, mem).",
        )
        error.log = str(log)
        return error


def _states(jobs: set[str]) -> dict[str, tuple[str, str]] | None:
    """Return the state and node of jobs, all asked for at once; what Slurm no longer knows is not there.

    None is returned if Slurm does not answer: then nothing is known of any of them.
    """
    arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    told = _command(["squeue", "--noheader", "--array", "--states=all", f"--jobs={arrays}", "--format=%i|%T|%N"])
    if told.returncode and _FORGOTTEN not in told.stderr:
        return None
    found = dict(_rows(told.stdout))
    if (missing := jobs - found.keys()) and shutil.which("sacct"):
        arrays = ",".join(sorted({job.partition("_")[0] for job in missing}))
        command = ["sacct", "--noheader", "--parsable2", "--allocations", "--array", f"--jobs={arrays}"]
        found |= _rows(_command([*command, "--format=JobID,State,NodeList"]).stdout)  # nothing without accounting
    return found


def _rows(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in text.splitlines():
        job, state, node = (*line.split("|"), "", "")[:3]
        if state:
            yield job.strip(), (state.split()[0], node.strip())


def _command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Have a command of Slurm done, which fails if Slurm does not answer, as it may do the next time."""
    return subprocess.run(command, capture_output=True, text=True, check=False)
