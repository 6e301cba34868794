import re
import tomllib

import pytest

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0].lower())


def pins(engine: str) -> dict[str, str]:
    lines = (ROOT / f"constraints-{engine}.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if not line.startswith("#"))


SHARED = sorted(
    name_of(requirement)
    for requirement in [
        *PROJECT["project"]["dependencies"],
        *(requirement for extra in ("docker", "s3", "gcs", "demo") for requirement in EXTRAS[extra]),
        *PROJECT["dependency-groups"]["dev"],
    ]
)


@pytest.mark.parametrize("name", SHARED)
def test_both_environments_have_the_same_version_of_what_they_share(name):
    """The same study must give the same bytes in both."""
    assert pins("airflow")[name] == pins("prefect")[name]


@pytest.mark.parametrize("engine", ["airflow", "prefect"])
def test_an_environment_has_its_engine(engine):
    assert {name_of(requirement) for requirement in EXTRAS[engine]} <= set(pins(engine))


@pytest.mark.parametrize("name", ["peers", "peers-newest", "peers-outflow"])
def test_an_environment_of_peers_has_what_it_asks_for(name):
    asked = (ROOT / f"tests/environment/{name}.in").read_text().splitlines()
    assert {name_of(line) for line in asked if not line.startswith("#")} <= set(pins(name))
