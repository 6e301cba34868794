"""JSON Schema's keywords, by what stands behind them."""

ANNOTATIONS = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "unit", "units")
"""Keywords that tell people something and constrain nothing."""
DATA = {"enum", "const", "examples", "default"}
"""Keywords whose values are data, however much they look like schemas."""
BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
"""Keywords that hold schemas by names."""
