"""Find the sub-packages under the three import roots; everything else about the package is in pyproject.toml."""

from setuptools import find_packages, setup

ROOTS = ("adapters", "operators", "flows")
setup(
    packages=[f"fairlead.{root}" for root in ROOTS]
    + [f"fairlead.{root}.{sub}" for root in ROOTS for sub in find_packages(root)],
)
