"""Names that Octue's code gives to files and strands.

Nothing here decides by them; the contract's strands are in ``fairlead.adapters.twine.contract``.
"""

VALUES_FILENAME = "values.json"
MANIFEST_FILENAME = "manifest.json"
OUTPUT_STRANDS = ("output_values", "output_manifest")
RUN_STRANDS = ("input_values", "input_manifest", "credentials", "children")
STRAND_FILENAME_MAP = {
    f"{stage}_{kind}": f"{kind}.json"
    for stage in ("configuration", "input", "output")
    for kind in ("values", "manifest")
}
