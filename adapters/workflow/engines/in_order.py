"""The engine ``default``: one block after the other, in this process; values are never copied.

It runs nothing at the same time, not even independent branches.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.adapters.workflow.running import run_in_order, run_item

if TYPE_CHECKING:
    from fairlead.adapters.workflow.gathering import Outputs
    from fairlead.adapters.workflow.maps import ItemFailed, MapWorkflow
    from fairlead.adapters.workflow.run_state import Results, Run
    from fairlead.adapters.workflow.wiring import Wiring


class InOrder:
    """Runs blocks one after the other."""

    name = "default"

    def run_steps(self, wiring: Wiring, inputs: Mapping[str, Any], run: Run, path: str) -> Results:
        """See `Engine.run_steps`."""
        return run_in_order(wiring, inputs, run, path)

    def run_items(
        self, mapping: MapWorkflow, items: Sequence[Mapping[str, Any]], run: Run, path: str
    ) -> Generator[tuple[int, Outputs | ItemFailed]]:
        """See `Engine.run_items`."""
        for index, item in enumerate(items):
            run.check()
            yield index, run_item(mapping, index, item, run, path)

    def close(self) -> None:
        """Nothing was started."""
