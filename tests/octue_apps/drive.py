"""Runs a sample app as a program written for Octue's SDK does, and prints what came of it as JSON.

Called with the app's folder, which is the working directory, by ``python -m fairlead.adapters.compat drive.py`` and, in
an environment with the real SDK, by ``python drive.py``: nothing in it knows which of them it runs on.
"""

import json
import os
import sys
from unittest.mock import patch

from octue import Runner
from octue.cloud.emulators import ChildEmulator
from octue.configuration import load_service_and_app_configuration
from octue.utils.encoders import OctueJSONEncoder
from twined import Twine

with open("run.json") as stream:
    given = json.load(stream)
source, twine, configuration = ".", "twine.json", given.get("configuration_values")
if os.path.exists("octue.yaml"):
    sys.path.insert(0, os.getcwd())
    service, app = load_service_and_app_configuration("octue.yaml")
    source, twine, configuration = service.app_source_path, service.twine_path, app.configuration_values

emulators = [ChildEmulator(messages=messages) for messages in given.get("emulated", [])]
messages = []
with patch("octue.runner.Child", side_effect=emulators):
    runner = Runner(
        app_src=source,
        twine=Twine(source=twine),
        configuration_values=configuration,
        children=given.get("children"),
    )
    analysis = runner.run(
        input_values=given.get("input_values"),
        input_manifest=given.get("input_manifest"),
        handle_monitor_message=messages.append,
    )

files = {}
for key, dataset in (analysis.output_manifest.datasets if analysis.output_manifest else {}).items():
    for datafile in dataset.files:
        with open(datafile.local_path) as stream:
            files[f"{key}/{datafile.name}"] = stream.read()
hashes = [analysis.configuration_values_hash, analysis.input_manifest_hash]
answer = {
    "output_values": analysis.output_values,
    "output_files": files,
    "monitor_messages": messages,
    "hashes": hashes,
}
json.dump(answer, sys.stdout, cls=OctueJSONEncoder)
