import os
import unittest

import numpy as np
from octue import Runner
from twined.exceptions import InvalidValuesContents

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestApp(unittest.TestCase):
    def setUp(self):
        self.runner = Runner(app_src=REPOSITORY, twine=os.path.join(REPOSITORY, "twine.json"))

    def test_many_speeds(self):
        analysis = self.runner.run(input_values={"speeds": [6, 12]})
        self.assertIsInstance(analysis.output_values["power"], np.ndarray)
        np.testing.assert_allclose(analysis.output_values["power"], [250, 2000])

    def test_one_speed(self):
        self.assertEqual(self.runner.run(input_values={"speed": 6}).output_values["total"], 250)

    def test_both_are_too_much(self):
        with self.assertRaises(InvalidValuesContents):
            self.runner.run(input_values={"speed": 6, "speeds": [6]})

    def test_values_may_be_json(self):
        self.assertEqual(self.runner.run(input_values='{"speed": 12}').output_values["total"], 2000)


if __name__ == "__main__":
    unittest.main()
