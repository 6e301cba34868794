"""Drawings of a workflow: in a terminal, as a Mermaid flowchart and as an SVG picture, also with the states of a run.

Names are loaded when they are first used.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.workflow.drawing.captions import State as State
    from fairlead.adapters.workflow.drawing.flowchart import mermaid as mermaid
    from fairlead.adapters.workflow.drawing.lanes import tree as tree
    from fairlead.adapters.workflow.drawing.picture import svg as svg

_MODULES = {"captions": ("State",), "flowchart": ("mermaid",), "lanes": ("tree",), "picture": ("svg",)}
__getattr__ = attributes(__name__, {name: module for module, names in _MODULES.items() for name in names})
__all__ = ["mermaid", "svg", "tree"]
