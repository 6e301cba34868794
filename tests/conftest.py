"""Gives every folder of tests the stores of tests/stores.py and the packages of tests/peers.py."""

pytest_plugins = ["tests.stores", "tests.peers"]
