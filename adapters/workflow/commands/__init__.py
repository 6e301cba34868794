"""Commands: entry points to workflows, with arguments of their own, as a tree below one root.

Names are loaded when they are first used.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.workflow.commands.command import Command as Command
    from fairlead.adapters.workflow.commands.command import argument as argument
    from fairlead.adapters.workflow.commands.root import RootCommand as RootCommand

_MODULES = {"command": ("Command", "argument"), "root": ("RootCommand",)}
__getattr__ = attributes(__name__, {name: module for module, names in _MODULES.items() for name in names})
__all__ = ["Command", "RootCommand", "argument"]
