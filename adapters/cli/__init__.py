"""The `fairlead` command: run an app in this terminal, or check it before it runs anywhere.

Here are its arguments; how it ends is in ``exits``, and what it does in ``perform`` and the adapters. Everything but
click is imported when a command needs it, so that ``fairlead --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fairlead.adapters.cli import exits
from fairlead.adapters.isolation import NAMES, OUTPUT_LIMIT, named

if TYPE_CHECKING:
    from fairlead.adapters.isolation.protocol import Isolation

_CODES = "\n".join(["\b", "Exit codes:", *(f"  {code:>3}  {meaning}" for code, meaning in exits.MEANINGS.items())])


class _Positive(click.FloatRange):
    """A number above zero, which NaN is not."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number above 0.", param, ctx)
        return number


def _source(value: str) -> Path | bytes:
    """Return the path of a JSON file, or JSON text: the value itself or, for ``-``, what is on standard input."""
    if value == "-":
        return sys.stdin.buffer.read()
    return os.fsencode(value) if value.lstrip().startswith(("{", "[")) else Path(value)


def _inputs(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each strand that an app is given."""
    for strand in ("configuration-manifest", "configuration-values", "input-manifest", "input-values"):
        text = f"The app's {strand.replace('-', ' ')}."
        command = click.option(f"--{strand}", type=_source, metavar="JSON", help=text)(command)
    return command


@click.group(epilog=_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fairlead", message="%(prog)s %(version)s")
def fairlead() -> None:
    """Run twine apps here as Airflow and Prefect run them: same checks, same fingerprints, same result cache."""


@fairlead.command(short_help="Run an app, unless its result is in the cache.")
@click.argument("app")
@_inputs
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    help="Write the outputs there: output_values.json, output_manifest.json and the files of the output datasets. "
    "A file of the same name is replaced, everything else stays.",
)
@click.option("--cache", help="Where results are kept, a path or URL.  [default: $FAIRLEAD_CACHE or ~/.cache/fairlead]")
@click.option("--refresh", is_flag=True, help="Run in any case, and replace the result in the cache.")
@click.option(
    "--isolation",
    type=click.Choice(NAMES),
    default="process",
    show_default=True,
    help="Run in a child process, which can be stopped, or in this one, which starts faster.",
)
@click.option("--timeout", type=_Positive(), metavar="SECONDS", help="Stop the run after that.")
@click.option(
    "--silence-limit",
    type=_Positive(),
    metavar="SECONDS",
    help="Warn if the child process sends nothing for that long.",
)
@click.option("--stop-silent", is_flag=True, help="Then stop it as well.")
@click.option(
    "--output-limit",
    type=_Positive(),
    default=OUTPUT_LIMIT >> 20,
    show_default=True,
    metavar="MiB",
    help="Stop a child process that prints and logs more than that; inf for no limit.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome or the error as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings and errors while it runs.")
def run(
    app: str,
    *,
    output_dir: Path | None,
    cache: str | None,
    refresh: bool,
    isolation: str,
    timeout: float | None,
    silence_limit: float | None,
    stop_silent: bool,
    output_limit: float,
    as_json: bool,
    quiet: bool,
    **strands: Path | bytes | None,
) -> None:
    """Run the twine APP (a folder with twine.json and app.py), unless its result is in the cache.

    JSON is the path of a file, the text itself, or - for standard input. Relative paths in a manifest are relative to
    its file. Progress and the app's log go to standard error, the result to standard output. Exit codes are listed by
    fairlead --help.
    """
    with exits.exiting(as_json=as_json, tail=quiet) as on_signal:
        from fairlead.adapters.cache import ResultCache
        from fairlead.adapters.cli.output_folder import refuse_source, write_outputs
        from fairlead.adapters.cli.terminal import TerminalHost
        from fairlead.adapters.perform import perform
        from fairlead.adapters.twine.unit import TwineApp

        unit = TwineApp(app)
        if output_dir:
            refuse_source(output_dir, unit.folder)
        inputs = {name: source for name, source in strands.items() if source is not None}
        place = _isolation(isolation, silence_limit=silence_limit, stop_silent=stop_silent, output_limit=output_limit)
        with TerminalHost(unit.name, timeout=timeout, quiet=quiet) as host, _output_to_stderr():
            on_signal.append(host.cancel)
            outcome = perform(unit, inputs, host, cache=ResultCache(cache), isolation=place, refresh=refresh)
        strangers = write_outputs(outcome, output_dir) if output_dir else []
        if as_json:
            click.echo(json.dumps(outcome.to_dict(), ensure_ascii=False))
        else:
            from fairlead.adapters.cli.report import show_outcome

            show_outcome(outcome, output_dir, strangers)


@fairlead.command(short_help="Check an app or a twine, and inputs for it.")
@click.argument("subject", metavar="APP_OR_TWINE")
@_inputs
@click.option("--json", "as_json", is_flag=True, help="Print the contract or the error as one JSON object.")
def validate(subject: str, *, as_json: bool, **strands: Path | bytes | None) -> None:
    """Check an app's folder or a twine.json file, and the inputs that are given, without running anything.

    JSON is the path of a file, the text itself, or - for standard input.
    """
    with exits.exiting(as_json=as_json):
        from dataclasses import asdict

        from fairlead.adapters.cli.validation import checked

        contract = checked(subject, {name: source for name, source in strands.items() if source is not None})
        if as_json:
            click.echo(json.dumps(asdict(contract), ensure_ascii=False))
        else:
            from fairlead.adapters.cli.report import show_contract

            show_contract(contract)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; always raises SystemExit."""
    fairlead.main(arguments, prog_name="fairlead")


def _isolation(name: str, *, silence_limit: float | None, stop_silent: bool, output_limit: float) -> Isolation:
    if stop_silent and silence_limit is None:
        raise click.UsageError("--stop-silent needs a --silence-limit.")
    if name == "thread":
        if silence_limit is not None:
            raise click.UsageError("--silence-limit needs --isolation process.")
        import logging

        logging.getLogger().setLevel(logging.INFO)  # as in a child process
    return named(
        name,
        silence_limit=silence_limit,
        on_silence="stop" if stop_silent else "report",
        output_limit=None if output_limit == float("inf") else int(output_limit * (1 << 20)),
    )


@contextlib.contextmanager
def _output_to_stderr() -> Generator[None]:
    """Keep standard output for the result: what an app prints in this very process goes to standard error."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (it was closed by whoever started this)
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
