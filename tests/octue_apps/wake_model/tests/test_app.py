import os
import unittest
from unittest.mock import patch

from octue import Runner
from octue.configuration import load_service_and_app_configuration
from twined import Twine, exceptions
from wake_service.model import speed_behind

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestApp(unittest.TestCase):
    def setUp(self):
        working_directory = os.getcwd()
        self.addCleanup(os.chdir, working_directory)
        os.chdir(REPOSITORY)
        service_configuration, app_configuration = load_service_and_app_configuration("octue.yaml")
        self.runner = Runner(
            app_src=service_configuration.app_source_path,
            twine=Twine(source=service_configuration.twine_path),
            configuration_values=app_configuration.configuration_values,
        )

    def test_far_behind_the_rotor_there_is_no_wake(self):
        analysis = self.runner.run(input_values={"speed": 12, "distances": [1e9]})
        self.assertEqual(analysis.output_values, {"speeds": [12.0]})

    def test_the_model_alone(self):
        self.assertAlmostEqual(speed_behind(10, 0.75, 0, decay=0.05, diameter=80), 5)

    def test_a_licence_is_asked_for(self):
        environment = {name: value for name, value in os.environ.items() if name != "WAKE_LICENCE"}
        os.chdir(os.path.join(REPOSITORY, "wake_service"))
        with patch.dict(os.environ, environment, clear=True), self.assertRaises(exceptions.CredentialNotFound):
            self.runner.run(input_values={"speed": 12, "distances": []})


if __name__ == "__main__":
    unittest.main()
