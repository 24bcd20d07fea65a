"""What containers are denied, without an engine."""

from pathlib import PurePosixPath

import pytest

from vantage6.node.rules import Limits
from vantage6.node.runner.hardening import confinement, hardening

LIMITS = Limits(memory=100, cpus=0.5, pids=7, disk=5000, tmp=8192)
NEVER = {"privileged", "cap_add", "devices", "pid_mode", "uts_mode", "userns_mode", "volumes_from"}


@pytest.fixture
def confined():
    def confine(*further, writable_root=False, gpu=False):
        paths = map(PurePosixPath, further)
        return confinement(LIMITS, paths, writable_root=writable_root, gpu=gpu)

    return confine


def test_rights_and_limits_of_every_container():
    options = hardening(LIMITS)
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["ipc_mode"] == "private"
    assert (options["mem_limit"], options["memswap_limit"]) == (100, 100)
    assert (options["nano_cpus"], options["pids_limit"]) == (500_000_000, 7)
    assert options["oom_score_adj"] > 0
    assert not NEVER & options.keys()


def test_an_algorithm_is_denied_the_same(confined):
    assert hardening(LIMITS).items() <= confined().items()
    assert not NEVER & confined().keys()


def test_an_algorithm_writes_to_its_folders_and_to_memory_alone(confined):
    options = confined("/root")
    assert options["read_only"]
    assert options["shm_size"] == 8192
    assert sorted(options["tmpfs"]) == ["/root", "/run", "/tmp", "/var/tmp"]
    for folder in options["tmpfs"].values():
        words = folder.split(",")
        assert {"nosuid", "nodev", "mode=1777", "size=8192", "nr_inodes=2"} <= set(words)


def test_a_file_is_no_larger_than_the_disk_that_a_run_may_use(confined):
    limits = {limit.name: (limit.soft, limit.hard) for limit in confined()["ulimits"]}
    assert limits == {"nofile": (4096, 4096), "core": (0, 0), "fsize": (5000, 5000)}


def test_exceptions(confined):
    assert not confined(writable_root=True)["read_only"]
    assert confined()["device_requests"] is None
    (request,) = confined(gpu=True)["device_requests"]
    assert (request.count, request.capabilities) == (-1, [["gpu"]])
