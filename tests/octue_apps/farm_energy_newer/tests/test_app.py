import os
import unittest
from unittest.mock import patch

from octue.twined.cloud.emulators.child import ChildEmulator
from octue.twined.exceptions import InvalidValuesContents
from octue.twined.runner import Runner
from octue.twined.twine import Twine

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHILDREN = [
    {
        "key": "power_curve",
        "id": "example-energy/power-curve:1.0.0",
        "backend": {"name": "GCPPubSubBackend", "project_id": "example-energy"},
    }
]


def answers(*totals):
    return ChildEmulator(
        id=CHILDREN[0]["id"],
        events=[{"event": {"kind": "result", "output_values": {"total": total}}, "attributes": {}} for total in totals],
    )


class TestApp(unittest.TestCase):
    def _run(self, emulators, rows):
        runner = Runner(
            app_src=REPOSITORY,
            twine=Twine(source=os.path.join(REPOSITORY, "twine.json")),
            configuration_values={"hours": 10},
            children=CHILDREN,
        )
        with patch("octue.twined.runner.Child", side_effect=emulators):
            return runner.run(input_values={"rows": rows}, save_diagnostics="SAVE_DIAGNOSTICS_OFF")

    def test_the_childs_answers_are_summed_up(self):
        analysis = self._run([answers(100.0)], rows=[[1], [2]])
        self.assertEqual(analysis.output_values, {"rows": [1.0, 1.0], "energy": 2.0})

    def test_the_childs_log_goes_to_the_local_log(self):
        events = [
            {"event": {"kind": "log_record", "log_record": {"msg": "blowing", "levelno": 20}}, "attributes": {}},
            {"event": {"kind": "result", "output_values": {"total": 1.0}}, "attributes": {}},
        ]
        with self.assertLogs(level="INFO") as logged:
            self._run([ChildEmulator(events=events)], rows=[[1]])
        self.assertTrue([record for record in logged.records if "blowing" in record.getMessage()])

    def test_inputs_are_checked(self):
        with self.assertRaises(InvalidValuesContents):
            self._run([answers(1.0)], rows=[])


if __name__ == "__main__":
    unittest.main()
