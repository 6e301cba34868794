import json
import os
import tempfile
import unittest

import twined.exceptions
from octue import Runner
from octue.exceptions import BrokenSequenceException
from octue.resources import Datafile, Dataset, Manifest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestApp(unittest.TestCase):
    def setUp(self):
        working_directory = os.getcwd()
        self.addCleanup(os.chdir, working_directory)
        os.chdir(REPOSITORY)
        self.runner = Runner(app_src=".", twine="twine.json", configuration_values={"threshold": 8})

    def _manifest(self):
        with open("manifest.json") as stream:
            return json.load(stream)

    def test_months_are_in_order(self):
        analysis = self.runner.run(input_manifest="manifest.json")
        self.assertEqual([row["month"] for row in analysis.output_values["months"]], ["2026-01", "2026-02"])
        self.assertTrue(analysis.finalised)

    def test_monitor_messages_are_handled(self):
        messages = []
        self.runner.run(input_manifest="manifest.json", handle_monitor_message=messages.append)
        self.assertEqual([message["progress"] for message in messages], [0.5, 1.0])

    def test_the_output_dataset_has_tags_and_labels(self):
        analysis = self.runner.run(input_manifest="manifest.json")
        dataset = analysis.output_manifest.get_dataset("statistics")
        datafile = dataset.files.filter(name="monthly.csv").one()
        self.assertEqual(dict(dataset.tags), {"mast": "north"})
        self.assertEqual(datafile.tags["months"], 2)
        self.assertEqual(set(datafile.labels), {"statistics"})

    def test_a_missing_month_is_an_error(self):
        manifest = self._manifest()
        manifest["datasets"]["mast"]["files"][0]["tags"]["sequence"] = 5
        with self.assertRaises(BrokenSequenceException):
            self.runner.run(input_manifest=manifest)

    def test_a_file_without_a_month_is_an_error(self):
        manifest = self._manifest()
        del manifest["datasets"]["mast"]["files"][0]["tags"]["month"]
        with self.assertRaises(twined.exceptions.InvalidManifestContents):
            self.runner.run(input_manifest=manifest)

    def test_metadata_is_stored_beside_the_files(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for sequence, month in enumerate(("2026-01", "2026-02")):
            path = os.path.join(folder.name, f"{month}.csv")
            tags = {"sequence": sequence, "month": month}
            with Datafile(path, mode="w", tags=tags, labels=["calibrated"]) as (_, stream):
                stream.write(f"speed\n{5 + sequence}\n")
        with Datafile(os.path.join(folder.name, "log.txt"), mode="w", tags={"month": "all"}) as (_, stream):
            stream.write("Nothing.\n")
        mast = Dataset(path=folder.name, tags={"mast": "south"})
        mast.update_local_metadata()
        analysis = self.runner.run(input_manifest=Manifest(datasets={"mast": mast}).serialise())
        self.assertEqual(analysis.output_values["windiest_month"], "2026-02")


if __name__ == "__main__":
    unittest.main()
