"""``fairlead graph`` and ``fairlead workflow run``: a workflow drawn, checked or run in this terminal.

Which workflow a user means is found in ``subjects``, what is shown while it runs in ``progress``. Everything but click
is imported when a command needs it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairlead.adapters.cli import exits
from fairlead.adapters.cli.arguments import POSITIVE, source

if TYPE_CHECKING:
    from fairlead.adapters.workflow.graph import Graph
    from fairlead.adapters.workflow.running import Result
    from fairlead.adapters.workflow.workflow import Workflow

_FORMATS = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".json": "json"}


def _parameters_option(command: Any) -> Any:
    text = "Values of the tasks' parameters by the names of the tasks, alone or as 'parameters' of a configuration."
    return click.option(
        "--parameters", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help=text
    )(command)


@click.command(short_help="Draw a workflow, and check it.")
@click.argument("subject")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "svg", "mermaid", "json"]),
    help="How.  [default: by the name of the output file, or tree]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
@click.option("--types", is_flag=True, help="Show inputs and outputs with their types in the tree.")
@click.option("--check", is_flag=True, help="Check first that all names, types and parameters fit.")
@_parameters_option
def graph(
    subject: str, *, form: str | None, output: Path | None, types: bool, check: bool, parameters: Path | None
) -> None:
    """Draw the workflow SUBJECT: what is in it, in which order, and what goes from where to where.

    SUBJECT is module:attribute or file.py:attribute, and names a workflow, a function under @as_workflow that takes no
    arguments, or a command's class; the attribute may be left out if there is only one. Nothing is run. A command sets
    up its tasks with the defaults of its arguments; one with required arguments needs its pipeline.
    """
    with exits.exiting(as_json=False):
        from fairlead.adapters.cli.subjects import workflow_of

        workflow = workflow_of(subject)
        if check:
            _check(workflow, parameters)
        form = form or (_FORMATS.get(output.suffix.lower(), "tree") if output else "tree")
        drawn = _drawn(workflow.graph(), form, types=types)
        if output:
            output.write_text(f"{drawn}\n", encoding="utf-8")
            return
        with exits.result():
            from fairlead.adapters.cli.report import show_drawing

            show_drawing(drawn)


def _check(workflow: Workflow, parameters: Path | None) -> None:
    from fairlead.adapters.workflow.exceptions import IOCheckerError
    from fairlead.adapters.workflow.run_state import configured_parameters
    from fairlead.adapters.workflow.wiring import problems_in

    if parameters:
        configured_parameters.set(_parameters(parameters))
    if problems := problems_in(workflow):
        raise IOCheckerError(problems)


def _drawn(graph: Graph, form: str, *, types: bool) -> Any:
    """Return a drawing: a text, for the tree in colours, without the end of its last line."""
    from fairlead.adapters.workflow.drawing import mermaid, svg, tree

    if form == "svg":
        return svg(graph).rstrip()
    if form == "mermaid":
        return mermaid(graph).rstrip()
    if form == "json":
        return json.dumps(graph.to_dict(), ensure_ascii=False, indent=2)
    return tree(graph, types=types)


@click.group("workflow", short_help="Run a workflow.")
def workflow() -> None:
    """Run workflows: tasks joined by |, maps, loops and branches."""


@workflow.command(short_help="Run a workflow in this terminal, or from it on a cluster.")
@click.argument("subject")
@click.option(
    "--input", "pairs", multiple=True, metavar="NAME=JSON", help="A value for one of its inputs; may be repeated."
)
@click.option("--inputs", type=source, metavar="JSON", help="Values for several inputs, as one object.")
@click.option("--backend", default="default", show_default=True, help="The engine: default, parallel, slurm or dask.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=JSON", help="An option of the engine; may be repeated."
)
@_parameters_option
@click.option("--cache", help="Where results are kept, a path or URL.  [default: $FAIRLEAD_CACHE or ~/.cache/fairlead]")
@click.option("--overwrite-cache", is_flag=True, help="Run in any case, and replace what the cache holds.")
@click.option("--timeout", type=POSITIVE, metavar="SECONDS", help="Stop the run after that.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome or the error as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings and errors while it runs.")
def run(
    subject: str,
    *,
    pairs: tuple[str, ...],
    inputs: Path | bytes | None,
    backend: str,
    options: tuple[str, ...],
    parameters: Path | None,
    cache: str | None,
    overwrite_cache: bool,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the workflow SUBJECT, which is named as for fairlead graph.

    Progress and what tasks log and print go to standard error, the outputs to standard output. Items that failed, and
    with which a map went on, are listed at the end.
    """
    with exits.exiting(as_json=as_json, tail=quiet) as on_signal:
        from fairlead.adapters.cli.progress import WorkflowHost
        from fairlead.adapters.cli.subjects import workflow_of
        from fairlead.adapters.cli.terminal import log_records, output_to_stderr
        from fairlead.adapters.workflow import running
        from fairlead.adapters.workflow.forms import fitted

        given = {**_object(inputs), **_pairs("--input", pairs)}
        settings = _pairs("--option", options)
        values = _parameters(parameters) if parameters else {}
        with output_to_stderr():
            made = workflow_of(subject)
            targets = made.inputs
            given = {name: fitted(targets[name], value) if name in targets else value for name, value in given.items()}
            host = WorkflowHost(made.name, timeout=timeout, quiet=quiet)
            on_signal.append(host.cancel)
            with _translated(made), host, log_records(host.write):
                result = running.run(
                    made,
                    given,
                    backend=backend,
                    parameters=values,
                    cache=cache,
                    overwrite_cache=overwrite_cache,
                    host=host,
                    observer=host.observe,
                    options=settings,
                )
            outcome = _outcome(made, result, in_full=as_json)
        with exits.result():
            if as_json:
                click.echo(json.dumps(outcome, ensure_ascii=False))
            else:
                from fairlead.adapters.cli.report import show_result

                show_result(outcome)


@contextlib.contextmanager
def _translated(workflow: Workflow) -> Generator[None]:
    """Turn what a task raised into an error of fairlead's, after its traceback was shown."""
    from fairlead.adapters import events
    from fairlead.adapters.errors import AppRaised, FairleadError

    try:
        yield
    except FairleadError:
        raise
    except Exception as error:
        place = getattr(error, "__fairlead_place__", "") or workflow.name
        from fairlead.adapters.cli.report import show_traceback

        lines, name = events.format_traceback(error, notes=False), events.qualified_name(type(error))
        show_traceback(lines)
        said = f": {text}" if (text := events.message_of(error)) else ""
        raise AppRaised(f"{place} raised {name}{said}", exception=name, traceback=lines) from error


def _pairs(option: str, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of an option that is written NAME=JSON."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not (name and sign):
            raise click.UsageError(f"{option} {pair}: it is not NAME=JSON. Write e.g. {option} count=3.")
        if name in found:
            raise click.UsageError(f"{option} {name} is given twice. Keep one of them.")
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            quoted = f"{name}={json.dumps(text, ensure_ascii=False)}"
            raise click.UsageError(f"{option} {pair}: {text!r} is not JSON. For a text, write '{quoted}'.") from None
        found[name] = _json(text, f"{option} {name}")
    return found


def _object(given: Path | bytes | None) -> dict[str, Any]:
    """Return the values of ``--inputs``."""
    if given is None:
        return {}
    where = f"--inputs {given}" if isinstance(given, Path) else "--inputs"
    found = _json(given.read_bytes() if isinstance(given, Path) else given, where)
    if not isinstance(found, dict):
        raise click.UsageError(f'{where}: it is no object. Write e.g. {{"count": 3}}.')
    return found


def _json(text: str | bytes, where: str) -> Any:
    from fairlead.adapters import json_text
    from fairlead.adapters.errors import InputInvalid

    try:
        return json_text.parse(text, where, InputInvalid, finite=True)
    except InputInvalid as error:
        raise click.UsageError(str(error)) from None


def _parameters(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the parameters of a file in JSON, TOML or YAML; of a configuration, those below ``parameters``."""
    from fairlead.adapters.workflow.pipeline import configuration

    found = configuration.read(path)
    found = found.get("parameters", found)
    if not isinstance(found, dict) or not all(isinstance(section, dict) for section in found.values()):
        example = '{"name of the task": {"name of the parameter": 3}}'
        raise click.UsageError(f"--parameters {path}: it does not hold an object for each task. Write e.g. {example}.")
    return found


def _outcome(workflow: Workflow, result: Result, *, in_full: bool) -> dict[str, Any]:
    """Return what came of a workflow as JSON data; failures among the outputs in full, or by their names."""
    return {
        "workflow": workflow.name,
        "outputs": _plain(result.outputs, in_full=in_full),
        "failures": [{"path": path, **failure.to_dict()} for path, failure in result.failures],
        "exited": result.exited,
        "seconds": result.seconds,
    }


def _plain(value: Any, *, in_full: bool) -> Any:
    """Return a value as JSON data; what has no place in JSON as the text that it shows."""
    from fairlead.adapters.workflow.failures import Failure, short

    if isinstance(value, Mapping):
        return {str(name): _plain(item, in_full=in_full) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, in_full=in_full) for item in value]
    if isinstance(value, Failure):
        return value.to_dict() if in_full else f"failed: {value.type}"
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if callable(tolist := getattr(value, "tolist", None)):  # of numpy
        return _plain(tolist(), in_full=in_full)
    return short(value, 1000)
