"""Gives every folder of tests the services that tests talk to, and the packages that fairlead is compared with."""

pytest_plugins = ["tests.stores", "tests.peers", "tests.postgres", "tests.slurm", "tests.engines"]
