import os
import subprocess
import tempfile
import unittest

from octue import Runner
from octue.utils.files import registered_temporary_directories

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TestApp(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        working_directory = os.getcwd()
        self.addCleanup(os.chdir, working_directory)
        os.chdir(folder.name)
        self.runner = Runner(app_src=REPOSITORY, twine=os.path.join(REPOSITORY, "twine.json"))

    def test_what_the_solver_prints_is_logged(self):
        with self.assertLogs("app", "INFO") as logged:
            self.runner.run(input_values={"forces": [1], "radii": [2]})
        self.assertEqual([record.getMessage() for record in logged.records], ["1 elements", "converged"])

    def test_status_and_estimates_are_sent(self):
        messages = []
        self.runner.run(input_values={"forces": [1], "radii": [2]}, handle_monitor_message=messages.append)
        self.assertEqual(
            [message.get("status_text") for message in messages if "status_text" in message], ["Starting", "Finished"]
        )
        self.assertIn(1.5, [message.get("estimated_seconds_remaining") for message in messages])
        self.assertEqual({message["service"] for message in messages}, {"blade-loads"})

    def test_a_solver_that_fails_fails_the_analysis(self):
        with self.assertRaises(subprocess.CalledProcessError):
            self.runner.run(input_values={"forces": [1, 2], "radii": [2]})

    def test_nothing_is_left_in_temporary_folders(self):
        self.runner.run(input_values={"forces": [1], "radii": [2]})
        self.assertFalse(any(os.path.exists(folder.name) for folder in registered_temporary_directories))


if __name__ == "__main__":
    unittest.main()
