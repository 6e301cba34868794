"""A pipeline: a folder whose plugins have commands, one of which a command line names, and whose workflow is then run.

    with Pipeline(root_directory=folder) as pipeline:
        exit(pipeline.run())

Entering reads settings and configuration, starts logging and imports the plugins; `Pipeline.run` reads the command line
and runs what it says; leaving puts back what is the process's. How a workflow is run is in ``running``, what is kept of
a run in ``records``. A pipeline does not schedule its commands.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fairlead.adapters import events, streams
from fairlead.adapters.errors import AppExited, Cancelled, ContractError, FairleadError, InputInvalid, Problem
from fairlead.adapters.host import LoggingHost
from fairlead.adapters.workflow.arguments import parameter_problems
from fairlead.adapters.workflow.block import Block
from fairlead.adapters.workflow.commands.command_line import CommandLineInvalid, early, parse
from fairlead.adapters.workflow.commands.setup import CommandWorkflow, set_up
from fairlead.adapters.workflow.pipeline import plugins
from fairlead.adapters.workflow.pipeline.configuration import Config
from fairlead.adapters.workflow.pipeline.logging import PipelineLogging
from fairlead.adapters.workflow.pipeline.scope import PipelineContextManager, Scope, WorkerSetup, new_scope
from fairlead.adapters.workflow.pipeline.settings_modules import Settings
from fairlead.adapters.workflow.run_state import Event
from fairlead.adapters.workflow.running import run
from fairlead.adapters.workflow.wiring import tasks_in
from fairlead.adapters.workflow.workflow import Workflow

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from fairlead.adapters.workflow.run_state import Engine
    from fairlead.adapters.workflow.task import Task

DONE, FAILED, USAGE, INTERRUPTED, UNREAD, TERMINATED = 0, 1, 2, 130, 141, 143
"""What `Pipeline.run` returns: the command has run, or ended itself; it failed; the command line is wrong; Ctrl-C;
nobody reads standard output any more; SIGTERM."""

_ENGINES = "fairlead.adapters.workflow.engines"
_FORMER = {"ray": "parallel"}
"""Engines of earlier versions of Outflow, and what does their work."""
_logger = logging.getLogger(__name__)


class Pipeline:
    """A pipeline, opened by ``with``."""

    def __init__(
        self,
        *,
        root_directory: str | os.PathLike[str] | None = None,
        argv: Sequence[str] | None = None,
        settings_module: str | None = None,
        force_dry_run: bool = False,
        prog: str | None = None,
        config: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Take what there is to know; nothing is read yet.

        Args:
            root_directory: the pipeline's folder.
            argv: the command line, without the program; without it, that of this process. The pipeline is then the
                program: if a run has failed, leaving the pipeline ends the process with `run`'s exit code.
            settings_module: the import path of its settings, if the command line does not name any.
            force_dry_run: whether no database is used in any case.
            prog: what the program is called in help and errors.
            config: what overrides the configuration file, by section.
            settings: what overrides the settings module, by name.
        """
        self.is_program = argv is None
        self.argv = list(sys.argv[1:] if argv is None else argv)
        self.root = Path(root_directory).resolve() if root_directory else None
        self.settings_module = settings_module
        self.force_dry_run = force_dry_run
        self.prog = prog
        self.result: list[dict[str, Any]] = []
        """The outputs of each block that the command's ``setup_tasks`` returned; ``{"None": None}`` of one without."""
        self.error: BaseException | None = None
        """What has ended the run, if it failed."""
        self.code = DONE
        """What `run` has returned."""
        self._config = dict(config or {})
        self._settings = dict(settings or {})
        self._scope: Scope | None = None
        self._host = LoggingHost()
        self._opened = contextlib.ExitStack()

    @staticmethod
    def get_parent_directory_posix_path(module: str | os.PathLike[str]) -> str:
        """Return the folder of a file, e.g. of ``__file__``."""
        return Path(module).resolve().parent.as_posix()

    @property
    def scope(self) -> Scope:
        """What the pipeline has while it is open."""
        if self._scope is None:
            problem = Problem("Pipeline", "is not open", "", "Write `with Pipeline(...) as pipeline:` round this.")
            raise InputInvalid(problem)
        return self._scope

    def __enter__(self) -> Self:
        """Read settings and configuration, start logging and import the plugins.

        Raises `InputInvalid` for what cannot be used of these; a pipeline that is the program shows it, and ends.
        """
        if self.is_program:
            streams.lossy_stderr()
        try:
            with contextlib.ExitStack() as stack:
                self._open(stack)
                self._opened = stack.pop_all()
        except ContractError as error:
            if not self.is_program:
                raise
            sys.exit(self._failed(error, full="--traceback" in self.argv))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back what is the process's."""
        self._opened.close()
        self._scope = None
        if self.is_program and self.code and kind is None:
            sys.exit(self.code)  # also where manage.py does not

    def _open(self, stack: contextlib.ExitStack) -> None:
        given = early(self.argv)
        paths = plugins.add_to_path(plugins.folders(self.root, given.python_path))
        stack.callback(plugins.remove_from_path, paths)
        settings = Settings.load(given.settings or self.settings_module, self.root, self._settings)
        if self.root is None and settings.ROOT_DIRECTORY:
            self.root = Path(settings.ROOT_DIRECTORY).resolve()
        plugins.remember(self.root)
        config = Config.load(given.config, self.root)
        config.update(self._config)
        self._scope = new_scope(config, settings)
        self._scope.context.force_dry_run = self.force_dry_run
        self._scope.context.dry_run = self.force_dry_run or given.dry_run
        stack.enter_context(PipelineContextManager(self._scope))
        names = ["fairlead", *(name for name in settings.PLUGINS if name not in plugins.OURS)]
        log = PipelineLogging(
            config["logging"],
            names=names,
            level=given.log_level,
            color=not given.no_color,
            folder=self.root,
            scope=self._scope,
        )
        log.start()
        stack.callback(log.stop)
        _serve_outflow()
        plugins.load(settings.PLUGINS, source=settings.source)

    # Running

    def run(self) -> int:
        """Run the command that the command line names; return an exit code, after showing what went wrong.

        It is 0 if the command has run to its end, or was ended by `exit_pipeline`; 1 if it failed, when ``error`` is
        the exception; 2 if the command line is wrong; 130 if it was interrupted (Ctrl-C); and 143 if the pipeline is
        the program and was terminated (SIGTERM), with everything that it had started. A program whose standard output
        cannot be written has failed, too; 141 says that nobody reads it.
        """
        self.result, self.error, self.code = [], None, DONE
        full = "--traceback" in self.argv
        self._host = LoggingHost()
        try:
            with _terminable(self._host) if self.is_program else contextlib.nullcontext():
                self._run()
        except SystemExit as stop:  # of argparse, after the help, or of a command
            self.code = stop.code if isinstance(stop.code, int) else DONE if stop.code is None else FAILED
            if stop.code is not None and not isinstance(stop.code, int):
                self._show(str(stop.code))
        except KeyboardInterrupt as error:
            self.error, self.code = error, INTERRUPTED
            self._show("Interrupted.")
        except Exception as error:  # noqa: BLE001 (the outermost frame: whatever it is ends here)
            self.code = self._failed(error, full=full)
            if self._host.cancelled():
                self.code = TERMINATED
        if self.is_program:
            self._flush()
        return self.code

    def _run(self) -> None:
        scope, root = self.scope, self.scope.settings.ROOT_COMMAND_CLASS
        names = scope.settings.PLUGINS
        parsed = parse(
            root,
            self.argv,
            prog=self.prog,
            offered=lambda command: plugins.is_offered(command, names, self.root),
        )
        command = parsed.commands[-1]
        if parsed.args.version:
            from importlib.metadata import version

            sys.stdout.write(f"fairlead {version('fairlead')}\n")
            return
        if not command.invokable:
            parsed.parser.print_help()
            return
        context = scope.context
        context.args, context.extra_args = parsed.args, parsed.extra
        context.db_untracked = command.db_untracked
        context.dry_run = self.force_dry_run or context.force_dry_run or parsed.args.dry_run
        context.overwrite_cache = parsed.args.overwrite_cache
        context.backend_name = _backend_name(parsed.args.backend or command.backend, scope)
        workflow, returned = set_up(parsed.commands, parsed.args)
        if workflow.blocks:
            self._warn_of_parameters(workflow)
            self._run_workflow(workflow, returned)

    def _run_workflow(self, workflow: CommandWorkflow, returned: list[Block]) -> None:
        scope = self.scope
        with contextlib.ExitStack() as stack:
            observer = stack.enter_context(_recorded(workflow, scope, self.argv))
            stack.callback(scope.context.close_sessions)  # what tasks have not committed would lock out the records
            engine = _engine(scope)
            stack.callback(engine.close)
            run(
                workflow,
                backend=engine,
                parameters=_plain(scope.config.get("parameters")),
                cache=_cache(scope, self.root),
                overwrite_cache=scope.context.overwrite_cache,
                host=self._host,
                observer=observer,
                worker_setup=WorkerSetup(scope),
            )
        if workflow.results:
            self.result = [workflow.results[id(block)] or {"None": None} for block in returned]

    def _warn_of_parameters(self, workflow: Workflow) -> None:
        """Warn of parameters in the configuration that no task has."""
        section = self.scope.config.get("parameters") or {}
        if problems := parameter_problems("config.parameters", section):
            raise InputInvalid(problems)
        known = {task.name for task in tasks_in(workflow)} | _task_names()
        for name in section:
            if name not in known:
                _logger.warning("config.parameters.%s: there is no task of that name.", name)

    # What went wrong

    def _failed(self, error: BaseException, *, full: bool) -> int:
        """Show an error: the program's own frames only if asked for; return the exit code."""
        self.error = error
        if isinstance(error, CommandLineInvalid):
            self._show(f"{error.usage}{error}")
            return USAGE
        code = error.code if isinstance(error, AppExited) else FAILED
        if full:
            import traceback

            self._show("".join(traceback.format_exception(error)).rstrip())
        elif isinstance(error, FairleadError):
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            self._show(f"{type(error).__name__}: {error}{notes}")
        else:
            self._show(events.format_traceback(error).rstrip())
        return code or FAILED

    def _flush(self) -> None:
        """Write what was printed to its last byte: what nobody has got was not done."""
        try:
            streams.flush_output()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self._show(f"StorageFailed: Standard output cannot be written: {error.strerror or error}.")
            if self.code == DONE:
                self.error, self.code = error, UNREAD if isinstance(error, BrokenPipeError) else FAILED

    @staticmethod
    def _show(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _terminable(host: LoggingHost) -> Generator[None]:
    """Let SIGTERM stop what runs here as Ctrl-C does; a second one ends the process at once.

    It is left alone where somebody else has seen to it, and in a thread, which hears of no signals.
    """
    number = signal.SIGTERM
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        host.cancel()  # also where a task swallows the exception
        raise Cancelled("Stopped by SIGTERM, with everything that was started.")

    signal.signal(number, stop)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


def _serve_outflow() -> None:
    """Let plugins that were written for Outflow import it: a pipeline that runs here is to be run by this package."""
    from fairlead.adapters import compat

    loaded = sys.modules.get("outflow")
    if loaded is None or compat.is_served("outflow"):
        compat.install("outflow", prefer=True)


# Engines, caches, parameters


def _backend_name(asked: str | None, scope: Scope) -> str:
    """Return the engine: the command line's or command's, else the configuration's, else the default."""
    known = [*scope.settings.BACKENDS]
    name = asked or scope.config.get("backend") or "default"
    if name not in known and isinstance(name, str) and name in _FORMER:
        _logger.warning("The backend %r is no more; %r does its work.", name, _FORMER[name])
        name = _FORMER[name]
    if name not in known:
        where = "--backend" if asked else "config.backend"
        remedy = "Choose one of these, or add a module to BACKENDS in the settings."
        raise InputInvalid(Problem(where, f"{name!r} is unknown", ", ".join(sorted(known)), remedy))
    return str(name)


def _engine(scope: Scope) -> Engine:
    """Make the engine, with the section of the configuration that is called like it as its options."""
    name = scope.context.backend_name
    options = scope.config.get(name) or {}
    if not isinstance(options, Mapping):
        raise InputInvalid(Problem(f"config.{name}", f"is {options!r}", "options of the engine, with values", ""))
    options = dict(options)
    if name == "slurm":
        options.setdefault("folder", str(scope.settings.TEMP_DIR / "slurm"))
    module = str(scope.settings.BACKENDS[name])
    engine: Engine = import_module(_ENGINES if module.startswith("outflow.") else module).named(name, **options)
    return engine


def _cache(scope: Scope, root: Path | None) -> str:
    """Return where results are kept: where the configuration says, the environment, or the pipeline's TEMP_DIR."""
    named = scope.config.get("workflow_cache_dir")
    if named:
        if not isinstance(named, str | os.PathLike):
            raise InputInvalid(Problem("config.workflow_cache_dir", f"is {named!r}", "a path or URL", ""))
        text = os.fspath(named)
        return text if "://" in text or root is None else str(root / Path(text).expanduser())
    return os.environ.get("FAIRLEAD_CACHE") or str(scope.settings.TEMP_DIR / "workflow_cache")


def _plain(section: Any) -> dict[str, dict[str, Any]]:
    return {name: dict(values or {}) for name, values in (section or {}).items()}


def _task_names() -> set[str]:
    """Return the names of all tasks that this process knows."""
    from fairlead.adapters.workflow.naming import to_snake_case
    from fairlead.adapters.workflow.task import Task

    found: set[str] = set()
    left: list[type[Task]] = [Task]
    while left:
        for each in left.pop().__subclasses__():
            found.add(getattr(each, "name", None) or to_snake_case(each.__name__))
            left.append(each)
    return found


# Records


@contextlib.contextmanager
def _recorded(workflow: Workflow, scope: Scope, argv: Sequence[str]) -> Generator[Callable[[Event], None] | None]:
    """Give who writes the run down, unless the command or the command line forbids it."""
    context = scope.context
    if context.db_untracked or context.dry_run:
        yield None
        return
    databases = context.databases
    from fairlead.adapters.workflow.records.recorder import Recorder

    with Recorder(
        databases,
        workflow,
        arguments=argv,
        configuration=scope.config,
        settings=scope.settings.to_dict(),
        backend=context.backend_name,
    ) as recorder:
        yield recorder
