"""What Debian's Swift is told in files: one disk, one copy of everything, all on loopback."""

import json
from pathlib import Path

from development.ports import LOOPBACK

DISK = "disk"
REGION = "us-east-1"

_COMMON = """\
[DEFAULT]
bind_ip = {ip}
bind_port = {port}
user = {account}
swift_dir = {folder}
# in the one process that we started
workers = 0
log_level = WARNING
{more}
[pipeline:main]
pipeline = {pipeline}

[app:{name}-server]
use = egg:swift#{name}
"""
_STORAGE = """\
devices = {folder}/disks
mount_check = false
fallocate_reserve = 0
# where nobody repairs later what was late, all wait for one another
conn_timeout = 10
node_timeout = 60
container_update_timeout = 60
"""
# What a busy machine takes long for is not taken for dead.
_PROXY = """\
conn_timeout = 10
node_timeout = 60
recoverable_node_timeout = 60
error_suppression_limit = 1000000
account_autocreate = true
allow_account_management = true

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:cache]
use = egg:swift#memcache
memcache_servers = {ip}:{cache}

[filter:bulk]
use = egg:swift#bulk

[filter:slo]
use = egg:swift#slo

[filter:s3api]
use = egg:swift#s3api
location = {region}

[filter:tempauth]
use = egg:swift#tempauth
"""
_PIPELINE = "catch_errors cache listing_formats s3api tempauth bulk slo proxy-server"
_SWIFT = """\
[swift-hash]
swift_hash_path_prefix = vantage6
swift_hash_path_suffix = vantage6

[storage-policy:0]
name = only
default = yes
"""

#: Python for Debian's interpreter: makes the rings in the folder that it is given.
RINGS = f"""
import json, sys
from pathlib import Path
from swift.common.ring import RingBuilder

folder = Path(sys.argv[1])
for name, port in json.loads((folder / "ports.json").read_text()).items():
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({{
        "ip": "{LOOPBACK}", "port": port, "device": "{DISK}", "region": 1, "zone": 1, "weight": 1.0
    }})
    builder.rebalance()
    builder.get_ring().save(str(folder / (name + ".ring.gz")))
"""


def texts(folder: Path, ports: dict[str, int], account: str) -> dict[str, str]:
    """Return the files that Swift wants in its folder, by their names.

    Parameters
    ----------
    folder : Path
    ports : dict of str to int
        Of the servers.
    account : str
        Of the system, that it runs as.
    """
    storage = {name: ports[name] for name in ("account", "container", "object")}
    given = {"ip": LOOPBACK, "account": account, "folder": folder, "region": REGION}
    given["cache"] = ports["cache"]
    files = {
        f"{name}-server.conf": _COMMON.format(
            **given,
            name=name,
            port=port,
            more=_STORAGE.format(**given),
            pipeline=f"{name}-server",
        )
        for name, port in storage.items()
    }
    files["proxy-server.conf"] = _COMMON.format(
        **given, name="proxy", port=ports["proxy"], more="", pipeline=_PIPELINE
    ) + _PROXY.format(**given)
    files["swift.conf"] = _SWIFT
    files["ports.json"] = json.dumps(storage)
    return files


def key(account: str, user: str, secret: str) -> str:
    """Return the line by which somebody may do everything in an account of Swift."""
    return f"user_{account}_{user} = {secret} .admin\n"
