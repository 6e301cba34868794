"""JSON Schemas: checked, linted, and turned into what people and programs fill in.

Names are loaded when they are first used, because ``jsonschema`` and ``pydantic`` are slow to import.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.schemas.checking import Schema as Schema
    from fairlead.adapters.schemas.checking import compiled as compiled
    from fairlead.adapters.schemas.checking import did_you_mean as did_you_mean
    from fairlead.adapters.schemas.checking import path_to as path_to
    from fairlead.adapters.schemas.checking import shown as shown
    from fairlead.adapters.schemas.checking import subschemas as subschemas
    from fairlead.adapters.schemas.forms import Field as Field
    from fairlead.adapters.schemas.forms import ParamSpec as ParamSpec
    from fairlead.adapters.schemas.forms import airflow_params as airflow_params
    from fairlead.adapters.schemas.forms import fields as fields
    from fairlead.adapters.schemas.forms import prefect_parameters as prefect_parameters
    from fairlead.adapters.schemas.models import pydantic_model as pydantic_model

__getattr__ = attributes(
    __name__,
    {
        **dict.fromkeys(("Schema", "compiled", "did_you_mean", "path_to", "shown", "subschemas"), "checking"),
        **dict.fromkeys(("Field", "ParamSpec", "airflow_params", "fields", "prefect_parameters"), "forms"),
        "pydantic_model": "models",
    },
)
__all__ = [
    "Field",
    "ParamSpec",
    "Schema",
    "airflow_params",
    "compiled",
    "did_you_mean",
    "fields",
    "path_to",
    "prefect_parameters",
    "pydantic_model",
    "shown",
    "subschemas",
]
