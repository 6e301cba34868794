"""What an engine's workers do: blocks and items that are sent to them once, and what they answer and say on the way.

`Body` is what is sent once: a block with what all its items are given, and the settings of the run. `Opened` is a body
in the process that works; `Opened.answer` runs one item and returns what came of it as bytes, which `read_answer` turns
into outputs, a failure, or the exception that ends all. What is logged, printed and told meanwhile crosses as notes,
which `heed` hands on to the run as if it had happened there.

It neither starts processes nor sends anything: see ``parallel``, ``slurm`` and ``dask``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fairlead.adapters.errors import ContractError, NotPortable
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow import failures
from fairlead.adapters.workflow.engines.crossing import (
    dumps,
    dumps_here,
    loads,
    not_readable,
    read_error,
    reason,
    told,
    written_block,
    written_error,
    written_inputs,
)
from fairlead.adapters.workflow.engines.in_order import InOrder
from fairlead.adapters.workflow.engines.tries import OVER
from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
from fairlead.adapters.workflow.run_state import Event, Run, placed
from fairlead.adapters.workflow.running import compute_item, item_failed, run_block, run_item, visible
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from fairlead.adapters.events import Event as HostEvent
    from fairlead.adapters.host import Host
    from fairlead.adapters.perform import Outcome
    from fairlead.adapters.workflow.block import Block
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.run_state import Memory

Kind = Literal["item", "block", "try"]
Note = tuple[Any, ...]
"""Something that was said in a worker: its kind, and what it is."""
Tell = Callable[[Note], None]

_RECORD = ("name", "levelno", "levelname", "pathname", "filename", "module", "lineno", "funcName", "created", "msecs")
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}
_PLAIN = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Settings:
    """What of a run a worker needs."""

    parameters: Mapping[str, Mapping[str, Any]]
    cache: str | None
    overwrite_cache: bool
    is_observed: bool
    memory: Memory | None
    whole: frozenset[str]
    tried_outside: frozenset[str]
    shows_outcomes: bool
    run_id: str
    attempt: int
    seconds: float | None
    """How long it may still take."""
    levels: Mapping[str, int]
    """Of loggers, by their names."""
    disabled: int


@dataclass(frozen=True)
class Body:
    """A block, ready to be sent."""

    kind: Kind
    block: Block
    path: str
    common: Mapping[str, Any]
    """What all its items are given."""
    settings: Settings


def written_body(
    kind: Kind, block: Block, run: Run, path: str, items: Sequence[Mapping[str, Any]]
) -> tuple[bytes, list[dict[str, Any]]]:
    """Write a block with what all items have in common; return that, and what each item has besides.

    Raises `NotPortable` that names what cannot be sent.
    """
    first = items[0] if len(items) > 1 else {}
    common = {name: value for name, value in first.items() if all(item.get(name) is value for item in items)}
    rest = [{name: value for name, value in item.items() if name not in common} for item in items]
    _identify(block)
    body = Body(kind, block, path, common, _settings(run))
    path_of_modules = [entry for entry in sys.path if entry] + ["" for entry in sys.path if not entry]
    who = f"{block.kind} '{block.name}'"
    return dumps((path_of_modules, dumps(run.worker_setup), who, written_block(body, block, common))), rest


def _identify(block: Block) -> None:
    """Find what makes a block's results its own where its source is at hand, if any are to be kept."""
    blocks = [block]
    for each in blocks:
        if isinstance(each, Workflow):
            each.wiring()
            blocks += each.blocks
    for each in blocks:
        if each.cache:
            from fairlead.adapters.workflow.identity import digest_of

            with contextlib.suppress(ContractError):  # is raised where it would be without this
                digest_of(each)


def _settings(run: Run) -> Settings:
    loggers = {"": logging.root, **logging.root.manager.loggerDict}
    levels = {
        name: logger.level for name, logger in loggers.items() if isinstance(logger, logging.Logger) and logger.level
    }
    deadline = run.host.deadline
    return Settings(
        parameters=run.parameters,
        cache=run.cache,
        overwrite_cache=run.overwrite_cache,
        is_observed=run.observer is not None,
        memory=None if run.memory is None or reason(run.memory) else run.memory,
        whole=run.whole,
        tried_outside=run.tried_outside,
        shows_outcomes=run.on_outcome is not None,
        run_id=run.host.run_id,
        attempt=run.host.attempt,
        seconds=None if deadline is None else deadline - time.monotonic(),
        levels=levels,
        disabled=logging.root.manager.disable,
    )


# In the process that works


class FarHost(LoggingHost):
    """A host in another process, which is told there what happens here."""

    def __init__(self, tell: Tell, settings: Settings) -> None:
        """Take the way to it."""
        super().__init__(run_id=settings.run_id, attempt=settings.attempt, timeout=settings.seconds)
        self._tell = tell

    def log(self, level: int, message: str) -> None:
        """See `Host.log`."""
        self._tell(("host log", level, message))

    def emit(self, event: HostEvent) -> None:
        """See `Host.emit`."""
        self._tell(("host event", event))


_setups: set[bytes] = set()
"""What this process was prepared by, each once."""


class Opened:
    """A body in the process that works for it."""

    def __init__(self, data: bytes, tell: Tell) -> None:
        """Read what `written_body` returned, and make this process ready for it; ``tell`` is told what happens."""
        path, setup, who, body = loads(data)
        known = set(sys.path)
        sys.path += [entry for entry in path if entry not in known]
        importlib.invalidate_caches()
        if setup not in _setups:  # before the body, which may lie in modules that only then can be imported
            _setups.add(setup)
            prepare: Callable[[], None] | None = loads(setup)
            if prepare is not None:
                prepare()
        try:
            self.body: Body = loads(body)
        except Exception as error:
            raise not_readable(who, "it, or what all its items are given,", told(error)) from error
        settings = self.body.settings
        logging.disable(settings.disabled)
        for name, level in settings.levels.items():
            logging.getLogger(name or None).setLevel(level)
        self.tell = tell
        self.run = Run(
            InOrder(),
            host=FarHost(tell, settings),
            parameters=settings.parameters,
            cache=settings.cache,
            overwrite_cache=settings.overwrite_cache,
            observer=self._observe if settings.is_observed else None,
            memory=settings.memory,
            whole=settings.whole,
            tried_outside=settings.tried_outside,
            on_outcome=self._show if settings.shows_outcomes else None,
        )

    def _observe(self, event: Event) -> None:
        self.tell(("event", event))

    def _show(self, outcome: Outcome) -> None:
        self.tell(("outcome", outcome))

    def answer(self, index: int, inputs: Mapping[str, Any]) -> bytes:
        """Run one item, or the block; return what came of it."""
        body, run = self.body, self.run
        given = {**body.common, **inputs}
        place = f"{body.path}[{index}]" if body.kind == "item" else body.path
        run.tries_over = {place: given.pop(OVER, 0)}
        run.on_try = lambda path, number: self.tell(("try", index, number)) if path == place else None
        run.failures.clear()
        try:
            with placed(run, body.path):
                result = self._result(index, given)
        except BaseException as error:  # noqa: BLE001 (it is raised where the answer is read)
            return dumps(("raised", written_error(error)))
        finally:
            if run.failures:
                self.tell(("failures", list(run.failures)))
        return self._written(index, result)

    def _result(self, index: int, given: Mapping[str, Any]) -> Outputs | ItemFailed:
        block, run, path = self.body.block, self.run, self.body.path
        if self.body.kind == "item":
            assert isinstance(block, MapWorkflow)
            return run_item(block, index, given, run, path)
        if self.body.kind == "block":
            return run_block(block, given, run, path)
        from fairlead.adapters.workflow.limits import limited

        def compute() -> Outputs:
            if isinstance(block, MapWorkflow):  # only its items have limits
                return compute_item(block, given, run, path)
            return block.compute(given, run, path)

        return limited(block, given, run, path, compute)

    def _written(self, index: int, result: Outputs | ItemFailed) -> bytes:
        if isinstance(result, ItemFailed):
            return dumps(("failed", written_error(result.error), result.failure))
        try:
            return dumps_here(("outputs", result))
        except Exception:  # noqa: BLE001 (which value it is, and why, is found out here)
            block = self.body.block
            where = f"map '{block.name}', item {index}" if self.body.kind == "item" else f"{block.kind} '{block.name}'"
            return dumps(("lost", written_error(_not_portable(where, result))))


def _not_portable(where: str, outputs: Outputs) -> Exception:
    try:
        written_inputs(where, [(0, outputs)], "output")
    except Exception as error:  # noqa: BLE001 (this is what is asked for)
        return error.with_traceback(None)
    return NotPortable(())


class Forwarding(logging.Handler):
    """Sends log records to where the run is."""

    def __init__(self, tell: Tell) -> None:
        """Take the way there."""
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            facts = {name: getattr(record, name, None) for name in _RECORD}
            facts["msg"] = record.getMessage()
            if record.exc_info:
                facts["exc_text"] = logging.Formatter().formatException(record.exc_info)
            facts |= {
                name: value
                for name, value in vars(record).items()
                if name not in _STANDARD and isinstance(value, _PLAIN)
            }
            self._tell(("log", facts))
        except Exception:  # noqa: BLE001 (as logging's own handlers do)
            self.handleError(record)


class Printed(io.TextIOBase):
    """A text stream whose lines go to where the run is."""

    def __init__(self, stream: str, tell: Tell) -> None:
        """Stand for ``stdout`` or ``stderr``."""
        self._stream, self._tell, self._text = stream, tell, ""

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Send whole lines, and keep the rest."""
        self._text += text
        whole, end, self._text = self._text.rpartition("\n")
        if end:
            self._tell(("print", self._stream, whole + end))
        return len(text)

    def flush(self) -> None:
        """Send what is left."""
        if self._text:
            self._tell(("print", self._stream, self._text))
            self._text = ""


def forward(tell: Tell) -> None:
    """Send all that is logged and printed in this process from now on to where the run is."""
    handler = Forwarding(tell)
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers[:] = [] if logger.propagate and logger is not logging.root else [handler]
    sys.stdout, sys.stderr = Printed("stdout", tell), Printed("stderr", tell)


# In the process of the run


def heed(notes: Iterable[Note], run: Run) -> None:
    """Let what was said in a worker have been said here."""
    for kind, *what in notes:
        if kind == "event":
            run.tell(what[0])
        elif kind == "log":
            record = logging.makeLogRecord(what[0])
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        elif kind == "print":
            stream = sys.stdout if what[0] == "stdout" else sys.stderr
            stream.write(what[1])
            stream.flush()
        elif kind == "host event":
            run.host.emit(what[0])
        elif kind == "host log":
            run.host.log(*what)
        elif kind == "outcome":
            assert run.on_outcome is not None
            run.on_outcome(what[0])
        elif kind == "failures":
            run.keep(what[0])


def lost_item(
    mapping: MapWorkflow, index: int, inputs: Mapping[str, Any], error: Exception, run: Run, path: str
) -> ItemFailed:
    """Return what stands for an item that ended with its worker, and tell of it, since the worker could not."""
    failed = item_failed(mapping, index, inputs, error)
    if run.observer is not None:
        run.tell(Event(f"{path}[{index}]", mapping.name, mapping.kind, "failed", time.time(), failed.failure))
    return failed


def lost_block(block: Block, inputs: Mapping[str, Any], error: Exception, run: Run, path: str) -> Exception:
    """Tell of a block that ended with its worker, and return the exception that ended it."""
    if run.observer is not None:
        failure = failures.failure_of(error, 0, visible(inputs))
        run.tell(Event(path, block.name, block.kind, "failed", time.time(), failure))
    return error


def read_answer(data: bytes, who: str) -> Outputs | ItemFailed | Exception:
    """Return the outputs of an item or block, or what stands for an item that failed; raises what ended it else.

    For outputs that could not be written, or not be read, the exception that says so is returned.
    """
    try:
        kind, *what = loads(data)
    except Exception as why:  # noqa: BLE001 (a value's own code may raise anything)
        return not_readable(who, "what it returned", told(why))
    if kind == "outputs":
        outputs: Outputs = what[0]
        return outputs
    error = read_error(what[0])
    if kind == "lost":
        assert isinstance(error, Exception)
        return error
    if kind == "raised":
        raise error
    failure: failures.Failure = what[1]
    return ItemFailed(error, failure)


class SharedHost:
    """A host that is asked from several threads, one at a time, and that also ends what runs beside a failure."""

    def __init__(self, host: Host, lock: Any, is_stopped: Callable[[], bool]) -> None:
        """Take the host, what keeps threads apart, and what tells that the others must end."""
        self._host, self._lock, self._is_stopped = host, lock, is_stopped
        self.run_id, self.attempt, self.deadline = host.run_id, host.attempt, host.deadline

    def cancelled(self) -> bool:
        """See `Host.cancelled`."""
        if self._is_stopped():
            return True
        with self._lock:
            return self._host.cancelled()

    def log(self, level: int, message: str) -> None:
        """See `Host.log`."""
        with self._lock:
            self._host.log(level, message)

    def emit(self, event: HostEvent) -> None:
        """See `Host.emit`."""
        with self._lock:
            self._host.emit(event)


def first_failure(
    mapping: MapWorkflow,
    number: int,
    answers: Generator[tuple[int, Outputs | ItemFailed]],
    leave_out: Callable[[int], None],
) -> Generator[tuple[int, Outputs | ItemFailed]]:
    """Yield the answers of a map's items as they come, or the failure that ends it as it would one after the other.

    That is the first one in the order of the items: once one has failed, those after it are left out, and those before
    it are waited for.
    """
    if mapping.on_error != "fail":
        yield from answers
        return
    left = set(range(number))
    first: tuple[int, ItemFailed] | None = None
    with contextlib.closing(answers):
        for index, result in answers:
            left.discard(index)
            if not isinstance(result, ItemFailed):
                yield index, result
            elif first is None or index < first[0]:
                first = index, result
                left = {each for each in left if each < index}
                leave_out(index)
            if first is not None and not left:
                break
    if first is not None:
        yield first
