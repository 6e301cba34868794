"""The source as a clone would have it, and what is built from it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def output_of(*command: str | Path, **options: object) -> str:
    """Return what a command prints; its error output becomes the test's."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def uv(*words: str | Path) -> str:
    """Run the set-up's uv with the set-up's settings."""
    program = '. tests/environment/common.sh; .venv-tools/bin/uv "$@"'
    return output_of("sh", "-c", program, "tests/environment/setup.sh", *words, cwd=ROOT)


@pytest.fixture(scope="session")
def files() -> list[str]:
    """All files that are committed, or would be."""
    listed = output_of("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def copy_source(files):
    def copy(target: Path) -> Path:
        for name in files:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
        return target

    return copy


@pytest.fixture(scope="session")
def distributions(copy_source, tmp_path_factory) -> Path:
    """A folder with the sdist and the wheel; the wheel is built from the sdist."""
    source = copy_source(tmp_path_factory.mktemp("source"))
    target = tmp_path_factory.mktemp("dist")
    output_of(sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source)
    return target


@pytest.fixture(scope="session")
def sdist(distributions) -> Path:
    (path,) = distributions.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel(distributions) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def dist_info(wheel) -> dict[str, str]:
    """The text files of the wheel's metadata, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.split("/", 1)[1]: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name
        }


@pytest.fixture(scope="session")
def bare_environment(wheel, tmp_path_factory) -> Path:
    """The bin folder of an environment that holds the wheel and what it depends on, and neither engine."""
    environment = tmp_path_factory.mktemp("bare") / "venv"
    uv("venv", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    uv("pip", "install", "--python", python, "--constraint", "constraints-prefect.txt", wheel)
    return environment / "bin"


@pytest.fixture
def outside(tmp_path, monkeypatch) -> Path:
    """A current folder and a home away from the source, without settings that reach into it."""
    for name in [*os.environ]:
        if name.startswith(("PYTHON", "FAIRLEAD")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
