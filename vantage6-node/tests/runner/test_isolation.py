"""Hostile containers try every way out and into other runs; only their own proxy answers.

Each program runs exactly as the node runs algorithms, and reports what it managed to do.
"""

import socket
import threading
from types import SimpleNamespace

import psutil
import pytest

from vantage6.node.rules import Limits

pytestmark = pytest.mark.docker

SECONDS = 120


@pytest.fixture
def host_service():
    """A service of the host on every address that it has."""
    listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    accepted = []

    def accept():
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            connection.close()
            accepted.append(address)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield SimpleNamespace(port=listener.getsockname()[1], accepted=accepted)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def host_addresses():
    return [
        (entry.address.partition("%")[0], entry.family.name)
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    ]


def test_the_proxy_of_its_own_node_answers(house):
    assert house.report("report(ask('/task/1', open(os.environ['TOKEN_FILE']).read()))") == 200
    assert house.upstream.tokens == [f"Bearer token-{house.running[0].result_id}"]


def test_large_bodies_pass_in_both_directions(house):
    assert house.report("""
body = json.dumps({"organizations": [{"id": 1, "input": "A" * 8_000_000}]}).encode()
request = urllib.request.Request("http://proxyserver/task", body, {
    "Authorization": "Bearer " + open(os.environ["TOKEN_FILE"]).read()})
with urllib.request.urlopen(request, timeout=60) as answer:
    report(json.load(answer)["length"] == len(body))
""")


def test_there_is_no_interface_but_the_loopback_and_no_route(house):
    found = house.report("""
report({
    "interfaces": [line.split(":")[0].strip() for line in open("/proc/net/dev")][2:],
    "routes": open("/proc/net/route").read().splitlines()[1:],
})
""")
    assert found == {"interfaces": ["lo"], "routes": []}


def test_no_address_of_the_host_answers(house, host_service):
    addresses = host_addresses()
    assert addresses
    with socket.create_connection(("127.0.0.1", host_service.port)):
        pass  # it does answer the host itself
    before = len(host_service.accepted)
    found = house.report(
        f"""
addresses = {addresses!r}
report([a for a, family in addresses if connects(a, {host_service.port}, socket.{{}}[family])])
""".replace("socket.{}[family]", "getattr(socket, family)")
    )
    assert found == []
    assert len(host_service.accepted) <= max(before, 1)


def test_the_internet_and_the_metadata_service_are_out_of_reach(house):
    targets = [
        ("1.1.1.1", 443),
        ("8.8.8.8", 53),
        ("169.254.169.254", 80),
        ("172.17.0.1", 2375),
        ("192.168.0.1", 80),
        ("10.0.0.1", 80),
    ]
    assert house.report(f"report([t for t in {targets!r} if connects(*t)])") == []


def test_names_of_the_outside_are_not_looked_up(house):
    found = house.report("""
def resolves(name):
    return can(socket.getaddrinfo, name, 80)
def answers(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        query = bytes.fromhex("12340100000100000000000007") + b"example\\x03com\\0\\0\\1\\0\\1"
        return can(s.sendto, query, (server, 53)) and can(s.recvfrom, 512)
servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
report({
    "names": [n for n in ("example.com", "secret.data.example.com") if resolves(n)],
    "servers": [s for s in [*servers, "127.0.0.11", "8.8.8.8"] if answers(s)],
    "own": resolves("proxyserver"),
})
""")
    assert found == {"names": [], "servers": [], "own": True}


def test_the_resolver_of_the_host_is_not_even_named(house):
    servers = house.report("report(open('/etc/resolv.conf').read())")
    assert [line for line in servers.splitlines() if line.startswith("nameserver")] == [
        "nameserver 127.0.0.1"
    ]


LISTENS = """
import threading
tcp = socket.create_server(("0.0.0.0", 8888))
abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0probe"); abstract.listen()
open("/mnt/tmp/ready", "w").close()
time.sleep(600)
"""


def wait_until_ready(house, run):
    ready = house.workspace.files(run).temporary / "ready"
    end = threading.Event()
    for _ in range(SECONDS * 20):
        if ready.exists():
            return
        end.wait(0.05)
    raise AssertionError("the other run did not get ready")


def test_nothing_can_be_left_for_the_next_run_in_the_same_sandbox(house):
    """The engine shares these files among all containers of one network."""
    found = house.report("""
files = ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"]
report([[f for f in files if can(open, f, "a")], [open(f).read() for f in files]])
""")
    assert found == [
        [],
        ["127.0.0.1 localhost proxyserver\n", "nameserver 127.0.0.1\n", "algorithm\n"],
    ]


def test_the_container_of_another_run_is_out_of_reach(house):
    other = house.start(LISTENS, run_id=7777)
    wait_until_ready(house, other)
    found = house.report("""
def abstract():
    with socket.socket(socket.AF_UNIX) as s:
        return can(s.connect, "\\0probe")
report([connects("127.0.0.1", 8888), connects("proxyserver", 8888), abstract()])
""")
    assert found == [False, False, False]


def test_the_token_of_another_run_is_worth_nothing_here(house):
    other = house.start("time.sleep(600)")
    assert house.report(f"report(ask('/task/1', 'token-{other.result_id}'))") == 401


def test_nothing_answers_where_the_run_is_not_admitted(house):
    run = house.start("""
before = ask('/task/1', open(os.environ['TOKEN_FILE']).read())
open("/mnt/tmp/ready", "w").close()
while not os.path.exists("/mnt/tmp/go"):
    time.sleep(0.02)
report([before, ask('/task/1', open(os.environ['TOKEN_FILE']).read())])
""")
    wait_until_ready(house, run)
    house.proxy.dismiss(run.result_id)
    (house.workspace.files(run).temporary / "go").touch()
    house.finish(run)
    assert house.probe.output(run) == [200, None]


def test_no_rights(house):
    status = house.report("""
fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
report({name: fields[name].strip() for name in
        ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")})
""")
    nothing = "0" * 16
    assert status == {
        "CapEff": nothing,
        "CapPrm": nothing,
        "CapBnd": nothing,
        "CapAmb": nothing,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_what_needs_rights_fails(house):
    found = house.report("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
report({
    "mount": libc.mount(b"none", b"/mnt/tmp", b"tmpfs", 0, None) == 0,
    "unmount": libc.umount2(b"/mnt/data", 0) == 0,
    "unshare": libc.unshare(0x40000000) == 0,
    "raw socket": can(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "packet socket": can(socket.socket, socket.AF_PACKET, socket.SOCK_RAW),
    "device": can(os.mknod, "/mnt/tmp/device", 0o020666, os.makedev(1, 1)),
    "chroot": can(os.chroot, "/mnt"),
    "memory of the host": can(open, "/dev/mem"),
    "kernel settings": can(open, "/proc/sys/kernel/core_pattern", "w"),
    "forwarding": can(open, "/proc/sys/net/ipv4/ip_forward", "w"),
    "hosts of others": can(open, "/proc/1/root/etc/shadow", "a") and os.getpid() != 1,
})
""")
    assert [name for name, worked in found.items() if worked] == []


def test_only_its_own_files_are_there(house):
    """Another run of the same node has files at the same time."""
    house.start("time.sleep(600)", run_id=7777)
    found = house.report("""
sockets = [path for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/vantage6")
           if os.path.exists(path)]
report({
    "data": sorted(os.listdir("/mnt/data")),
    "task": sorted(os.listdir(os.path.dirname(os.environ["INPUT_FILE"]))),
    "mnt": sorted(os.listdir("/mnt")),
    "sockets": sockets,
})
""")
    assert found == {
        "data": ["patients.csv", f"task-{house.running[-1].result_id:09d}"],
        "task": ["input", "output", "token"],
        "mnt": ["data", "tmp"],
        "sockets": [],
    }


def test_what_it_is_given_cannot_be_changed(house):
    before = house.probe.database.read_bytes()
    found = house.report("""
targets = ["/mnt/data/patients.csv", os.environ["INPUT_FILE"], os.environ["TOKEN_FILE"]]
def changes(path):
    return can(open, path, "a") or can(os.unlink, path) or can(os.rename, path, "/mnt/tmp/x")
report([path for path in targets if changes(path)])
""")
    assert found == []
    assert house.probe.database.read_bytes() == before


def test_what_third_party_images_rely_on_works(house):
    found = house.report("""
import shutil
shutil.copy("/mnt/data/patients.csv", "/mnt/data/copy.csv")
open("/mnt/tmp/round", "w").write("1")
report([sorted(os.listdir("/mnt/data")), os.environ["TEMPORARY_FOLDER"]])
""")
    own = f"task-{house.running[0].result_id:09d}"
    assert found == [["copy.csv", "patients.csv", own], "/mnt/tmp"]


def test_the_temporary_folder_is_shared_within_a_run_id_alone(house):
    house.report("open('/mnt/tmp/round', 'w').close(); report(0)", run_id=5001)
    assert house.report("report(os.listdir('/mnt/tmp'))", run_id=5001) == ["round"]
    assert house.report("report(os.listdir('/mnt/tmp'))", run_id=5002) == []


def test_memory_is_limited(house):
    run = house.start("x = bytearray(10**9); print(len(x))")
    ending = house.finish(run)
    assert ending.out_of_memory
    assert ending.exit_code == 137


def test_processes_are_limited(house):
    found = house.report("""
children = []
try:
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        children.append(pid)
except OSError:
    pass
count = len(children)
for pid in children:
    os.kill(pid, 9)
report(count)
""")
    assert 0 < found < 32


def test_the_processor_is_limited(house, api, laboratory):
    run = house.start("time.sleep(600)", limits=Limits(2**26, 0.25, 32))
    labels = [f"result_id={run.result_id}", f"vantage6-instance={laboratory.identity.instance}"]
    (container,) = api.containers(filters={"label": labels})
    assert api.inspect_container(container["Id"])["HostConfig"]["NanoCpus"] == 250_000_000


def test_the_relay_itself_has_nothing(house, api, laboratory):
    house.start("time.sleep(600)")
    labels = [f"vantage6-instance={laboratory.identity.instance}", "vantage6-type=relay"]
    relays = api.containers(filters={"label": labels})
    assert relays
    for relay in relays:
        config = api.inspect_container(relay["Id"])
        host = config["HostConfig"]
        assert host["NetworkMode"] == "none"
        assert host["CapDrop"] == ["ALL"]
        assert host["ReadonlyRootfs"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert config["Config"]["User"].split(":")[0] not in ("", "0")
        assert [(mount["Destination"], mount["RW"]) for mount in config["Mounts"]] == [
            ("/run/vantage6", False)
        ]
