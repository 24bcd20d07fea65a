"""What a hostile program can do to its own container: little, and all of it within bounds.

The published holes that this is about are named in the names of tests; see also
`tests/security`.
"""
# ruff: noqa: N802

from pathlib import Path

import pytest

pytestmark = pytest.mark.docker


def config_of(api, house, run):
    labels = [f"vantage6-instance={house.probe.identity.instance}", f"result_id={run.result_id}"]
    (container,) = api.containers(all=True, filters={"label": labels})
    return api.inspect_container(container["Id"])


def test_cve_2026_54533_A22_an_algorithm_finds_nothing_of_another(house):
    """Another run has an input, a token, an output, a folder; the house another database."""
    other = house.start(
        "open(os.environ['OUTPUT_FILE'], 'w').write('canary'); time.sleep(600)", run_id=7777
    )
    (house.workspace.files(other).temporary / "canary").write_text("canary")
    (house.probe.database.parent / "other-patients.csv").write_text("canary")
    found = house.report(f"""
own = os.path.dirname(os.environ["INPUT_FILE"])
seen = []
for top, folders, files in os.walk("/mnt"):
    seen += [os.path.join(top, name) for name in files if not top.startswith(own)]
guesses = ["/mnt/data/task-{other.result_id:09d}/" + name for name in ("input", "output", "token")]
guesses += [own + "/../../../runs/{other.result_id}/input", "/proc/1/cwd/../runs"]
report([seen, [path for path in guesses if os.path.exists(path)],
        [path for path in guesses if can(open, path, "w")]])
""")
    assert found == [["/mnt/data/patients.csv"], [], []]
    assert (house.workspace.files(other).data / f"task-{other.result_id:09d}" / "output").exists()


def test_source_B_containers_run_without_a_limit_or_with_a_right(house, api):
    run = house.start("time.sleep(600)")
    host = config_of(api, house, run)["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert not host["Devices"]
    assert not host["DeviceRequests"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["ReadonlyRootfs"]
    assert host["Memory"] == host["MemorySwap"] == 128 * 2**20
    assert (host["PidsLimit"], host["NanoCpus"], host["ShmSize"]) == (32, 10**9, 2**20)
    assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]} == {
        "core": 0,
        "fsize": 64 * 2**20,
        "nofile": 4096,
    }
    assert (host["IpcMode"], host["PidMode"], host["UTSMode"]) == ("private", "", "")
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "2"}
    assert host["RestartPolicy"]["Name"] in ("", "no")


def test_everything_that_can_be_written_to_has_a_bound(house):
    """Of the folders in memory each its size; of the others all are counted by the node."""
    found = house.report("""
writable = {}
for line in open("/proc/self/mounts"):
    _, path, kind, options, *_ = line.split()
    probe = os.path.join(path, "probe") if os.path.isdir(path) else path
    if can(lambda: open(probe, "a").close()):
        size = os.statvfs(path).f_blocks * os.statvfs(path).f_bsize if kind == "tmpfs" else None
        writable[path] = [kind, size]
report(writable)
""")
    bounded = {path: ["tmpfs", 2**20] for path in ("/tmp", "/var/tmp", "/run", "/root", "/dev/shm")}
    counted = {"/mnt/data", "/mnt/tmp"}
    assert found.items() >= bounded.items()
    # Made by the engine for each container; what is in them counts as its memory.
    engines = {
        "/dev": ["tmpfs", 2**26],
        "/dev/mqueue": ["mqueue", None],
        "/sys/fs/cgroup": found.get("/sys/fs/cgroup"),
    }
    for path in found.keys() - bounded.keys() - counted:
        assert found[path] == engines.get(path) or path.startswith("/proc/"), path
    assert "/" not in found


def test_devices_and_other_users_rights_do_not_come_with_files(house):
    """A run leaves a program of root in the folder that it shares; the next is not root."""
    house.report(
        """
import shutil
shutil.copy("/usr/bin/id", "/mnt/tmp/id")
os.chmod("/mnt/tmp/id", 0o6755)
report(0)
""",
        run_id=6001,
    )
    found = house.report(
        "import subprocess\nreport(subprocess.check_output(['/mnt/tmp/id', '-u']).decode())",
        run_id=6001,
        run_as="4321:4321",
    )
    assert found == "4321\n"


def test_nobody_else_s_process_can_be_seen_or_touched(house):
    found = house.report("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
report({
    "others": others,
    "relay": [pid for pid in others if can(open, f"/proc/{pid}/environ")],
    "trace": libc.ptrace(16, 2, None, None) == 0,
    "end": can(os.kill, 2, 0),
    "node": [name for name in os.environ if "API_KEY" in name or "PRIVATE" in name],
})
""")
    assert found == {"others": [], "relay": [], "trace": False, "end": False, "node": []}


def test_the_kernel_is_not_spoken_to(house):
    """Its clock, keys, modules, settings, namespaces, performance counters, and file handles."""
    found = house.report("""
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
class Moment(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
def write(path, text):
    with open(path, "wb", buffering=0) as file:
        file.write(text)
def works(number, *arguments):
    return libc.syscall(number, *arguments) >= 0
moment = Moment(int(time.time()), 0)
report({
    "clock": libc.clock_settime(0, ctypes.byref(moment)) == 0,
    "keys": works(248, b"user", b"name", b"secret", 6, -3) or works(250, 0, -3, 0),
    "module": works(313, 0, b"", 0),
    "reboot": works(169, 0, 0, 0, 0),
    "open by handle": works(304, 0, None, 0),
    "performance": works(298, None, 0, -1, -1, 0),
    "bpf": works(321, 0, None, 0),
    "user faults": works(323, 0),
    "namespace of users": libc.unshare(0x10000000) == 0,
    "swap": works(167, b"/mnt/tmp/x", 0),
    "host name": libc.sethostname(b"other", 5) == 0,
    "priority": can(os.nice, -5),
    "trigger": can(write, "/proc/sysrq-trigger", b"h"),
    "memory settings": can(write, "/proc/sys/vm/overcommit_memory", b"1"),
    "core pattern": can(write, "/proc/sys/kernel/core_pattern", b"|/x"),
    "limits": can(write, "/sys/fs/cgroup/memory/memory.limit_in_bytes", b"-1"),
    "survive": can(write, "/proc/self/oom_score_adj", b"-1000"),
    "block device": can(os.mknod, "/mnt/tmp/disk", 0o060666, os.makedev(254, 0)),
})
""")
    assert [name for name, worked in found.items() if worked] == []


@pytest.mark.parametrize("end", ["\\n", ""], ids=["lines", "no end of line"])
def test_a_log_without_end_fills_neither_the_disk_nor_the_node(house, api, end):
    """Some 200 MB of it, which are no text; the engine keeps twenty."""
    run = house.start(f"""
piece = (b"\\xff\\xfe\\x00" * 100 + b"{end}") * 2000
for _ in range(350):
    os.write(1, piece)
""")
    ending = house.finish(run)
    assert ending.exit_code == 0
    assert len(ending.log) < 50 * 16 * 1024 + 1
    path = Path(config_of(api, house, run)["LogPath"])
    kept = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    assert kept < 25 * 2**20
    assert len(house.runner.ending(run.result_id, None).log) < 25 * 2**20
