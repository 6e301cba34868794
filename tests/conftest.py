"""Gives every folder of tests the stores of tests/stores.py, the packages of tests/peers.py and tests/postgres.py."""

pytest_plugins = ["tests.stores", "tests.peers", "tests.postgres"]
