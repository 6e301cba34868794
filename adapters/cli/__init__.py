"""The `fairlead` command: run an app or a workflow in this terminal, check it, draw it, or run a failure again.

Here are its arguments; how it ends is in ``exits``, and what it does in ``perform`` and the adapters. Everything but
click is imported when a command needs it, so that ``fairlead --help`` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from fairlead.adapters import streams
from fairlead.adapters.cli import exits, workflows
from fairlead.adapters.cli.arguments import POSITIVE, source
from fairlead.adapters.cli.outflow import outflow
from fairlead.adapters.cli.runs import runs
from fairlead.adapters.isolation import NAMES, OUTPUT_LIMIT, named

if TYPE_CHECKING:
    from fairlead.adapters.diagnostics import Diagnostics
    from fairlead.adapters.isolation.protocol import Isolation

_CODES = "\n".join(["\b", "Exit codes:", *(f"  {code:>3}  {meaning}" for code, meaning in exits.MEANINGS.items())])


def _here(_context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return what was named or, if nothing was, the working directory, which then must hold an app."""
    if value is not None or any(Path(name).is_file() for name in ("octue.yaml", "twine.json")):
        return value or "."
    from fairlead.adapters.cli.terminal import own_records
    from fairlead.adapters.errors import AppInvalid, ContractInvalid
    from fairlead.adapters.twine.configuration import locate_app

    try:
        with own_records(lambda _level, _text: None):  # they are told when the app is used
            locate_app(".")  # which an octue.yaml above may name
    except ContractInvalid:
        pass  # told when the app is used
    except AppInvalid:
        name = parameter.human_readable_name.strip("[]")
        raise click.UsageError(
            f"Missing argument '{name}': the current folder holds neither an octue.yaml nor a twine.json. Name the "
            "app's folder, or change to it."
        ) from None
    return "."


def _some_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return what was named, which may not be empty: that would be the working directory."""
    if not value.strip():
        raise click.BadParameter("it is empty. Name the diagnostics of a run, as its error tells them.")
    return value


def _inputs(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each strand that an app is given."""
    for strand in ("configuration-manifest", "configuration-values", "input-manifest", "input-values"):
        text = f"The app's {strand.replace('-', ' ')}."
        command = click.option(f"--{strand}", type=source, metavar="JSON", help=text)(command)
    return command


@click.group(epilog=_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fairlead", message="%(prog)s %(version)s")
def fairlead() -> None:
    """Run twine apps and workflows here as Airflow and Prefect run them: same checks, same fingerprints, same cache."""


@fairlead.command(short_help="Run an app, unless its result is in the cache.")
@click.argument("app", required=False, callback=_here)
@_inputs
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    help="Write the outputs there: output_values.json, output_manifest.json and the files of the output datasets. "
    "A file of the same name is replaced, everything else stays.",
)
@click.option(
    "--children",
    type=source,
    metavar="JSON",
    help='Whom the app asks, instead of what its octue.yaml says: {"key": "folder of an app"}, or an object with "id" '
    'and "backend".',
)
@click.option("--output-location", metavar="URL", help="Put the output datasets there, besides the cache.")
@click.option(
    "--signed-urls",
    is_flag=True,
    default=None,
    help="Let the paths of datasets there be signed URLs, which let anybody read them for a week.",
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
@click.option("--timeout", type=POSITIVE, metavar="SECONDS", help="Stop the run after that.")
@click.option(
    "--silence-limit",
    type=POSITIVE,
    metavar="SECONDS",
    help="Warn if the child process sends nothing for that long.",
)
@click.option("--stop-silent", is_flag=True, help="Then stop it as well.")
@click.option(
    "--output-limit",
    type=POSITIVE,
    default=OUTPUT_LIMIT >> 20,
    show_default=True,
    metavar="MiB",
    help="Stop a child process that prints and logs more than that; inf for no limit.",
)
@click.option(
    "--diagnostics",
    metavar="URL",
    help="If the run crashes, save below that path or URL what is needed to run it again.  "
    "[default: $FAIRLEAD_DIAGNOSTICS]",
)
@click.option("--diagnostics-always", is_flag=True, help="Save it however the run ends.")
@click.option("--copy-datasets", is_flag=True, help="Save the input datasets as well, not only where they are.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome or the error as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings and errors while it runs.")
def run(
    app: str,
    *,
    output_dir: Path | None,
    children: Path | bytes | None,
    output_location: str | None,
    signed_urls: bool | None,
    cache: str | None,
    refresh: bool,
    isolation: str,
    timeout: float | None,
    silence_limit: float | None,
    stop_silent: bool,
    output_limit: float,
    diagnostics: str | None,
    diagnostics_always: bool,
    copy_datasets: bool,
    as_json: bool,
    quiet: bool,
    **strands: Path | bytes | None,
) -> None:
    """Run the twine APP, unless its result is in the cache.

    APP is a folder with twine.json and app.py, or with an octue.yaml that says where they are; by default it is the
    current folder. JSON is the path of a file, the text itself, or - for standard input. Relative paths in a manifest
    are relative to its file. Progress and the app's log go to standard error, the result to standard output. Exit codes
    are listed by fairlead --help.
    """
    with exits.exiting(as_json=as_json, tail=quiet) as on_signal:
        from fairlead.adapters.cache import ResultCache
        from fairlead.adapters.cli.output_folder import refuse_source, write_outputs
        from fairlead.adapters.cli.terminal import TerminalHost, output_to_stderr, own_records
        from fairlead.adapters.perform import perform
        from fairlead.adapters.twine.unit import TwineApp

        unit = TwineApp(
            app,
            children=children,
            output_location=output_location,
            use_signed_urls_for_output_datasets=signed_urls,
        )
        if output_dir:
            refuse_source(output_dir, unit.locate().root)
        inputs = {name: source for name, source in strands.items() if source is not None}
        place = _isolation(isolation, silence_limit=silence_limit, stop_silent=stop_silent, output_limit=output_limit)
        wish = _diagnostics(diagnostics, always=diagnostics_always, copy_datasets=copy_datasets)
        with TerminalHost(unit.name, timeout=timeout, quiet=quiet) as host, own_records(host.log), output_to_stderr():
            on_signal.append(host.cancel)
            outcome = perform(
                unit, inputs, host, cache=ResultCache(cache), isolation=place, refresh=refresh, diagnostics=wish
            )
        strangers = write_outputs(outcome, output_dir) if output_dir else []
        with exits.result():
            if as_json:
                click.echo(json.dumps(outcome.to_dict(), ensure_ascii=False))
            else:
                from fairlead.adapters.cli.report import show_outcome

                show_outcome(outcome, output_dir, strangers)


@fairlead.command(short_help="Check an app or a twine, and inputs for it.")
@click.argument("subject", metavar="[APP_OR_TWINE]", required=False, callback=_here)
@_inputs
@click.option("--strict", is_flag=True, help="Take warnings for errors, except those of defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print the contract or the error as one JSON object.")
def validate(subject: str, *, strict: bool, as_json: bool, **strands: Path | bytes | None) -> None:
    """Check an app's folder or a twine.json file, and the inputs that are given, without running anything.

    By default, it is the current folder. Warnings tell what is allowed and probably not meant, e.g. rules that nothing
    keeps. JSON is the path of a file, the text itself, or - for standard input.
    """
    with exits.exiting(as_json=as_json):
        from dataclasses import asdict

        from fairlead.adapters.cli.terminal import TerminalHost, own_records
        from fairlead.adapters.cli.validation import checked

        inputs = {name: source for name, source in strands.items() if source is not None}
        with own_records(TerminalHost(subject).log):
            contract = checked(subject, inputs, strict=strict)
        with exits.result():
            if as_json:
                click.echo(json.dumps(asdict(contract), ensure_ascii=False))
            else:
                from fairlead.adapters.cli.report import show_contract

                show_contract(contract)


@fairlead.command(short_help="Run again what was saved of a failed run.")
@click.argument("url", callback=_some_url)
@click.option("--app", metavar="FOLDER", help="Run that app instead of the recorded one, e.g. a mended one.")
@click.option(
    "--children",
    type=source,
    metavar="JSON",
    help="Whom the app asks what it did not ask then, as of fairlead run.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    help="Write the outputs there, as fairlead run does.",
)
@click.option("--pdb", is_flag=True, help="Run in this process, and stop in Python's debugger where the app fails.")
@click.option(
    "--timeout", type=POSITIVE, metavar="SECONDS", help="Stop the run after that; inf for never.  [default: as then]"
)
def replay(
    url: str,
    *,
    app: str | None,
    children: Path | bytes | None,
    output_dir: Path | None,
    pdb: bool,
    timeout: float | None,
) -> None:
    """Run again, on this machine, the analysis whose diagnostics are at URL, a path or address.

    It gets the same source, configuration and inputs, under the same limits; its children answer as they did.
    Credentials are read from the environment here and from .env files, in the current folder and beside --app. The
    result cache is not asked, and nothing gets into it. Standard error says first what is different here, and at the
    end whether the failure is the same, another or gone. Exit codes are those of fairlead run.
    """
    with exits.exiting(as_json=False, tail=False) as on_signal:
        from fairlead.adapters.cli.replay import replayed

        outcome, strangers = replayed(
            url, app, output_dir, children=children, debug=pdb, timeout=timeout, on_signal=on_signal
        )
        from fairlead.adapters.cli.report import show_outcome

        with exits.result():
            show_outcome(outcome, output_dir, strangers)


fairlead.add_command(workflows.graph)
fairlead.add_command(workflows.workflow)
fairlead.add_command(outflow)
fairlead.add_command(runs)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; always raises SystemExit."""
    streams.lossy_stderr()
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


def _diagnostics(url: str | None, *, always: bool, copy_datasets: bool) -> Diagnostics | None:
    from dataclasses import replace

    from fairlead.adapters.diagnostics import requested

    wish = requested(url)
    if wish is None:
        if always or copy_datasets:
            option = "--diagnostics-always" if always else "--copy-datasets"
            raise click.UsageError(f"{option} needs --diagnostics, or FAIRLEAD_DIAGNOSTICS in the environment.")
        return None
    return replace(wish, when="always" if always else wish.when, copy_datasets=copy_datasets or wish.copy_datasets)
