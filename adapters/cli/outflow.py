"""``fairlead outflow``: run a command of a pipeline's folder, whether it was written for Outflow or for fairlead.

Its own ``manage.py`` is run, where there is one, since that may import commands of its own. Outflow's names are served
by ours, also where Outflow is installed. The command line after the folder is the pipeline's.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import NoReturn

import click


@click.command(
    short_help="Run a command of a pipeline's folder.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("arguments", metavar="COMMAND ...", nargs=-1, type=click.UNPROCESSED)
def outflow(folder: Path, arguments: tuple[str, ...]) -> NoReturn:
    """Run COMMAND of the pipeline in FOLDER, as its own manage.py would, with fairlead in the place of Outflow.

    What commands there are is told by `fairlead outflow FOLDER --help`. The exit code is 0 if the command has run, 1 if
    it failed, 2 if the command line is wrong, 130 if it was interrupted, and 143 if it was terminated.
    """
    from fairlead.adapters import compat

    compat.install("outflow", prefer=True)
    program = folder / "manage.py"
    sys.argv[:] = [f"fairlead outflow {folder}", *arguments]
    sys.path.insert(0, str(folder.resolve()))
    if program.is_file():
        runpy.run_path(str(program), run_name="__main__")
        sys.exit(0)
    from fairlead.adapters.workflow.pipeline import Pipeline

    with Pipeline(root_directory=folder) as pipeline:
        sys.exit(pipeline.run())
