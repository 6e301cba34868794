"""JSON Schemas: checked, and turned into what people fill in.

Names are loaded when they are first used, because ``jsonschema`` is slow to import.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.schemas.checking import Schema as Schema
    from fairlead.adapters.schemas.checking import compiled as compiled
    from fairlead.adapters.schemas.checking import did_you_mean as did_you_mean
    from fairlead.adapters.schemas.checking import path_to as path_to
    from fairlead.adapters.schemas.checking import shown as shown

__getattr__ = attributes(
    __name__, dict.fromkeys(("Schema", "compiled", "did_you_mean", "path_to", "shown"), "checking")
)
__all__ = ["Schema", "compiled", "did_you_mean", "path_to", "shown"]
