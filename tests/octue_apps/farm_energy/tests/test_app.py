import os
import unittest
from unittest.mock import patch

from octue import Runner
from octue.cloud.emulators import ChildEmulator

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHILDREN = [
    {
        "key": "power_curve",
        "id": "example-energy/power-curve:1.0.0",
        "backend": {"name": "GCPPubSubBackend", "project_name": "example-energy"},
    }
]


class TestApp(unittest.TestCase):
    def _run(self, messages, **run):
        runner = Runner(
            app_src=REPOSITORY,
            twine=os.path.join(REPOSITORY, "twine.json"),
            configuration_values={"hours": 10},
            children=CHILDREN,
        )
        with patch("octue.runner.Child", side_effect=[ChildEmulator(messages=messages)]):
            return runner.run(input_values={"rows": [[1], [2, 3]]}, **run)

    def test_the_childs_answer_is_summed_up_by_rows(self):
        messages = [{"type": "result", "output_values": {"power": [100, 200, 300]}, "output_manifest": None}]
        analysis = self._run(messages)
        self.assertEqual(analysis.output_values, {"rows": [1.0, 5.0], "energy": 6.0})

    def test_a_childs_exception_is_raised(self):
        messages = [{"type": "exception", "exception_type": "ValueError", "exception_message": "too windy"}]
        with self.assertRaisesRegex(ValueError, "too windy"):
            self._run(messages)


if __name__ == "__main__":
    unittest.main()
