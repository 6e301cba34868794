"""A real Slurm cluster for tests: two virtual nodes on this machine, with daemons of their own, as long as tests run.

A test asks for ``slurm``: while it runs, the environment leads Slurm's commands to the cluster. Each test process
starts its own when a test first asks for one. Where Slurm's packages are missing, or this is not root, the test is
skipped.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT = 30.0
"""Seconds after which the cluster is held not to start."""
NODES = ("n1", "n2")
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1
_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=2
MinJobAge=3600
MessageTimeout=30
JobRequeue=0
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=100
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=4 CoresPerSocket=4 RealMemory=8000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=4 CoresPerSocket=4 RealMemory=8000 State=UNKNOWN
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers."""

    configuration: Path
    folder: Path
    """A folder that its nodes see."""

    def queue(self) -> list[str]:
        """Return the jobs that wait or run."""
        return self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()

    def ask(self, *command: str) -> str:
        """Return what one of Slurm's commands prints."""
        environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _dies_with_us() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _daemon(command: list[str], folder: Path, environment: dict[str, str], user: str | None = None) -> subprocess.Popen:
    with (folder / f"{Path(command[0]).name}.out").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            user=user,
            start_new_session=True,
            preexec_fn=_dies_with_us,  # noqa: PLW1509 (it only makes a system call)
        )


def _wait(condition, what: str, folder: Path) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(
                f"{each.name}: {each.read_text(errors='replace')[-1000:]}" for each in folder.glob("*.log")
            )
            pytest.fail(f"{what} did not come about in {LIMIT:g} s\n{logs}")
        time.sleep(0.05)


@contextlib.contextmanager
def started() -> Iterator[Cluster]:
    """Start a cluster, and stop it with all its jobs."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [each for each in _PROGRAMS if shutil.which(each) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} are not there: make setup installs Slurm, as root, where apt-get works")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons can only be started by root")
    folder = Path(tempfile.mkdtemp(prefix="fairlead-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("state", "spool-n1", "spool-n2", "munge", "shared"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "munge", "munge", "munge")
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    shutil.chown(key, "munge", "munge")
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            port=_free_port(),
            n1=_free_port(),
            n2=_free_port(),
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    cluster = Cluster(configuration, folder / "shared")
    munge = [f"--{name}={folder}/munge/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    daemons: list[subprocess.Popen] = []
    try:
        daemons.append(
            _daemon(
                ["munged", "--foreground", "--num-threads=2", f"--key-file={key}", *munge], folder, environment, "munge"
            )
        )
        _wait((folder / "munge" / "socket").exists, "munge's socket", folder)
        daemons.append(_daemon(["slurmctld", "-D", "-i", "-f", str(configuration)], folder, environment))
        daemons += [
            _daemon(["slurmd", "-D", "-N", node, "-f", str(configuration)], folder, environment) for node in NODES
        ]
        _wait(lambda: cluster.ask("sinfo", "-h", "-N", "-t", "idle").count("\n") == len(NODES), "idle nodes", folder)
        yield cluster
        cluster.ask("scancel", "--user=root")
        _wait(lambda: not cluster.queue(), "an empty queue", folder)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in reversed(daemons):
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[Cluster]:
    """Start a cluster for all tests of this process."""
    with started() as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Lead Slurm's commands to the cluster."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.configuration))
    return slurm_cluster
