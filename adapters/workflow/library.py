"""Tasks that many workflows need: arguments of the command line, programs and scripts, a pause, and a look inside.

They are tasks as any other. What branches, maps and loops are is in the modules of these names; here they also have
the names by which Outflow's documents call them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.errors import InputInvalid, Problem, RunFailed
from fairlead.adapters.workflow.branches import IdentityTask, IfThenElse, MergeTask
from fairlead.adapters.workflow.loops import IterativeWorkflow, LoopWorkflow
from fairlead.adapters.workflow.maps import MapWorkflow
from fairlead.adapters.workflow.task import Task, as_task

if TYPE_CHECKING:
    from fairlead.adapters.workflow.run_state import Run

__all__ = [
    "BaseMapWorkflow",
    "ExecuteShellScripts",
    "IPythonTask",
    "IdentityTask",
    "IfElse",
    "IfThenElse",
    "InteractiveTask",
    "IterativeWorkflow",
    "LoopWorkflow",
    "MapWorkflow",
    "MergeTask",
    "ParallelMapWorkflow",
    "PipelineArgs",
    "PopenTask",
    "SequentialMapWorkflow",
    "Sleep",
    "SlurmMapWorkflow",
]

IfElse = IfThenElse
BaseMapWorkflow = SequentialMapWorkflow = ParallelMapWorkflow = SlurmMapWorkflow = MapWorkflow

BANNER = """\
You are inside a pipeline. What this task was given is in the dictionary 'kwargs'; what you change there is passed on.
To go on, press Ctrl-D."""


class PipelineArgs(Task):
    """Gives the arguments of the command line, each as an output of its name."""

    def __init__(self, only: Iterable[str] | None = None, **options: Any) -> None:
        """Make the task.

        Args:
            only: the arguments that are given; all without it, also those of every command.
            options: those of a task.

        Raises:
            InputInvalid: the command has no such argument.
        """
        from fairlead.adapters.workflow.pipeline.scope import context

        there = vars(context.args)
        names = list(there if only is None else only)
        unknown = [name for name in names if name not in there]
        if unknown:
            expected = ", ".join(there)
            raise InputInvalid(
                [Problem("PipelineArgs, only", f"there is no argument {name!r}", expected, "") for name in unknown]
            )
        self._names = names
        super().__init__(**options)
        self.bind(values={name: there[name] for name in names})

    def setup_targets(self) -> None:
        """See `Task.setup_targets`."""
        super().setup_targets()
        for name in self._names:
            self.add_output(name)

    def run(self, values: dict) -> {}:  # type: ignore[type-arg, valid-type]  # outputs are added above
        """Return what the command line said when the task was made."""
        return values


@as_task
def PopenTask(  # noqa: N802 (Outflow's name)  # pyright: ignore[reportUnknownParameterType]
    command: str | list | Path,  # type: ignore[type-arg]  # as users annotate
    use_system_shell: bool = False,  # noqa: FBT001, FBT002 (inputs are given by name)
    env: dict | None = None,  # type: ignore[type-arg]
) -> {}:  # type: ignore[valid-type]
    """Run a program to its end, and print what it prints.

    ``command`` is a list of words, or a text that is split as a shell does, or with ``use_system_shell`` given to the
    shell; ``env`` is added to the environment. Raises `RunFailed` if it does not end with 0.
    """
    import shlex

    if use_system_shell:
        words: Any = command if isinstance(command, str) else shlex.join(map(str, command))  # type: ignore[arg-type]
    else:
        given = shlex.split(command) if isinstance(command, str) else command
        words = [str(each) for each in given] if isinstance(given, list) else [str(given)]
    _run_to_its_end(words, env, shell=use_system_shell)


@as_task
def ExecuteShellScripts(  # noqa: N802 (Outflow's name)  # pyright: ignore[reportUnknownParameterType]
    shell_scripts: Iterable[str],
    env: dict | None = None,  # type: ignore[type-arg]
    shell: str | None = None,
    encoding: str = "utf-8",
) -> {}:  # type: ignore[valid-type]
    """Run the source of scripts, one after the other, by a shell (``/bin/sh`` without one); the first to fail ends it.

    ``env`` is added to the environment. Raises `RunFailed` if a script does not end with 0.
    """
    if isinstance(shell_scripts, str):
        shell_scripts = [shell_scripts]
    for script in shell_scripts:
        _run_to_its_end([shell or "/bin/sh", "-c", script], env, encoding=encoding)


def _run_to_its_end(
    command: Any, env: Mapping[str, str] | None, *, shell: bool = False, encoding: str = "utf-8"
) -> None:
    """Run a program, and stop it with all that it has started if this is interrupted."""
    try:
        process = subprocess.Popen(
            command,
            shell=shell,
            env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise RunFailed(f"Command cannot be run: {command!r}: {error.strerror or error}.") from None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line.decode(encoding, "replace"))
            sys.stdout.flush()
        code = process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        raise RunFailed(f"Command failed with exit code {code}: {command!r}.")


@as_task
def Sleep(seconds: float = 0) -> {}:  # type: ignore[valid-type]  # noqa: N802 (a task's name)
    """Wait that long, e.g. between the iterations of an infinite loop."""
    time.sleep(seconds)


class InteractiveTask(IdentityTask):
    """Stops the run for a look at what is passed on here, in a Python shell; changes of ``kwargs`` go on.

    The shell is IPython's where that is installed and there is a terminal, else Python's own.
    """

    def compute(self, inputs: Mapping[str, Any], run: Run, path: str) -> dict[str, Any]:  # noqa: ARG002 (a block's signature)
        """See `Block.compute`; raises `InputInvalid` if something was taken out of ``kwargs``."""
        kwargs = dict(inputs)
        interact({"kwargs": kwargs}, BANNER)
        missing = [name for name in inputs if name not in kwargs]
        if missing:
            where = f"task '{self.name}', kwargs"
            raise InputInvalid([Problem(where, f"{name!r} was taken out", "a value for it", "") for name in missing])
        return {name: kwargs[name] for name in inputs}


class IPythonTask(InteractiveTask):
    """Outflow's older name of `InteractiveTask`."""


def interact(names: dict[str, Any], banner: str) -> None:
    """Let whoever is at the terminal work with names until they end it."""
    if sys.stdin.isatty():
        try:
            from IPython.terminal.embed import InteractiveShellEmbed  # noqa: T100 (a shell is what is asked for)
        except ModuleNotFoundError:
            pass
        else:
            InteractiveShellEmbed(banner1=banner, user_ns=names)()  # type: ignore[no-untyped-call]  # noqa: T100
            return
    import code

    with contextlib.suppress(SystemExit):  # of exit() or quit(), which end the shell and not the pipeline
        code.interact(banner=banner, local=names, exitmsg="")
