"""Runs the pipeline of the current folder, or where there is none the commands that need none: create a pipeline, e.g.

It is ``python -m fairlead.adapters.workflow.pipeline``; ``fairlead outflow FOLDER`` does the same for any folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fairlead.adapters.workflow.pipeline.pipeline import Pipeline


def main() -> None:
    """Run it; always raises SystemExit."""
    here = Path.cwd()
    root = here if any((here / name).is_file() for name in ("settings.py", "manage.py")) else None
    with Pipeline(root_directory=root, prog="python -m outflow") as pipeline:
        sys.exit(pipeline.run())


if __name__ == "__main__":
    main()
