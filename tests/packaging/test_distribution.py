import tarfile
import zipfile
from email.parser import Parser

import pytest

ROOTS = ("adapters", "operators", "flows")


@pytest.fixture(scope="module")
def metadata(dist_info):
    return Parser().parsestr(dist_info["METADATA"])


def test_the_wheel_holds_every_module_of_the_three_roots_and_nothing_else(files, wheel):
    wanted = {f"fairlead/{name}" for name in files if name.startswith(tuple(f"{root}/" for root in ROOTS))}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name for name in wanted if name.endswith((".py", ".json"))} <= packed
    assert packed <= wanted


def test_each_root_says_that_it_is_typed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert {f"fairlead/{root}/py.typed" for root in ROOTS} <= set(archive.namelist())


def test_the_roots_share_a_namespace(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert "fairlead/__init__.py" not in archive.namelist()


def test_the_sdist_ships_what_is_needed_to_build_and_no_tests(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name == "tests" or name.startswith("tests/")]


def test_the_metadata_names_the_distribution_and_its_licence(metadata, dist_info):
    assert metadata["Name"] == "fairlead"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in dist_info["licenses/LICENSE"]


def test_the_extras_are_those_that_are_promised(metadata):
    assert set(metadata.get_all("Provides-Extra")) == {
        *("airflow", "prefect", "docker", "s3", "gcs", "frames", "slurm", "dask", "db", "postgresql", "shell", "demo"),
        *("all", "all-airflow", "all-prefect"),
    }


@pytest.mark.parametrize(
    "requirement",
    [
        'apache-airflow<4,>=3.3; extra == "airflow"',
        'apache-airflow-providers-standard>=1.21; extra == "airflow"',
        'prefect<4,>=3.7; extra == "prefect"',
    ],
)
def test_an_engine_is_an_extra_with_bounds(metadata, requirement):
    assert requirement in metadata.get_all("Requires-Dist")


def test_the_core_asks_for_no_engine(metadata):
    core = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert core
    assert not [line for line in core if "airflow" in line or "prefect" in line]


@pytest.mark.parametrize(
    "line",
    [
        "[console_scripts]\nfairlead = fairlead.adapters.cli:main",
        "[apache_airflow_provider]\nprovider_info = fairlead.operators.provider_info:get_provider_info",
        "[prefect.collections]\nfairlead = fairlead.flows",
    ],
)
def test_the_engines_and_the_shell_find_their_way_in(dist_info, line):
    assert line in dist_info["entry_points.txt"]
