"""The machine: its engine, its disk, and what we may do on it."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.doctor.findings import Findings, note, well, wrong
from vantage6.node.instance import Instance
from vantage6.node.runner import engine as runner_engine
from vantage6.node.runner.interface import EngineUnreachable
from vantage6.node.usage import Disk, in_words

# What limits are made of, in the words of the engine's own report
_LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processors"}

# The first version whose containers get no sockets of AF_VSOCK, see decision 0019
_CLOSES_VSOCK = 23


def data_folder(context: InstanceContext) -> Findings:
    """Whether the folder of the node can be written to, and has room."""
    subject, folder = "data folder", context.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield wrong(
            subject,
            f"{folder} cannot be written to: {error.strerror}",
            f"Let the user {os.getuid()} write there, or name another in `directories.data`",
        )
        return
    yield well(subject, f"{folder} can be written to")
    yield from _room(folder, context.config["keep_free"])
    yield from _occupant(folder)


def _room(folder: Path, kept_free: int | None) -> Findings:
    subject, found = "disk", os.statvfs(folder)
    free = in_words(found.f_bavail * found.f_frsize)
    if Disk(folder, kept_free).is_short:
        yield wrong(
            subject,
            f"{free} are free below {folder}, too little to begin anything",
            "Make room, name a folder on another disk in `task_dir`, or lower `keep_free`",
        )
    else:
        yield well(subject, f"{free} are free below {folder}")


def _occupant(folder: Path) -> Findings:
    instance = Instance(folder)
    try:
        instance.hold()
    except ConfigurationError:
        yield note("node", "It is running")
    else:
        instance.release()
        yield note("node", "It is not running now")


def engine(context: InstanceContext) -> Findings:
    """Whether containers can be run, within limits, beside our relay."""
    subject = "engine"
    try:
        api = runner_engine.connect(connections=1)
    except EngineUnreachable as error:
        yield wrong(
            subject,
            str(error),
            "Start the engine, or let this user talk to it; `docker info` must work",
        )
        return
    try:
        with runner_engine.talking_to_engine():
            yield from _engine(api, api.info())
            yield from _relay(api, context.config["images"]["relay"])
            for entry in context.config["docker_registries"]:
                yield from _registry(api, entry)
    finally:
        api.close()


def _engine(api: Any, info: dict[str, Any]) -> Findings:
    yield well("engine", f"{info['Name']} runs version {info['ServerVersion']}")
    missing = [words for key, words in _LIMITS.items() if not info.get(key)]
    if missing:
        yield wrong(
            "engine",
            f"It cannot limit what containers use: {', '.join(missing)}",
            "Switch on the control groups of the kernel (cgroups)",
        )
    if _major(info["ServerVersion"]) < _CLOSES_VSOCK:
        yield note(
            "engine",
            "On a virtual machine its containers may speak to services of the hypervisor "
            "(AF_VSOCK)",
            f"Use an engine of version {_CLOSES_VSOCK} or later",
        )
    if not any("seccomp" in option for option in info.get("SecurityOptions") or ()):
        yield note(
            "engine",
            "It does not restrict the calls to the kernel (seccomp)",
            "Use an engine and a kernel with seccomp",
        )


def _major(version: str) -> int:
    """The first number of a version; of what is not one, later than all."""
    number = version.partition(".")[0]
    return int(number) if number.isdecimal() else sys.maxsize


def _relay(api: Any, image: str) -> Findings:
    try:
        api.inspect_image(image)
    except ImageNotFound:
        yield wrong(
            "images",
            f"The image of the relay, {image}, is not on this machine",
            "Build it with `make images`, load it, or name another one in `images.relay`",
        )
    else:
        yield well("images", f"The relay {image} is here")


def _registry(api: Any, entry: dict[str, str]) -> Findings:
    subject, name = "registry", entry["registry"]
    try:
        api.login(entry["username"], entry["password"], registry=name, reauth=True)
    except APIError as error:
        yield wrong(
            subject,
            f"{name}: the engine could not log in: {runner_engine.words(error)}",
            "Correct the entry of `docker_registries`; where the registry has an authority of its "
            f"own, put its certificate into /etc/docker/certs.d/{name}/ca.crt",
        )
    else:
        yield well(subject, f"{name} takes the log-in of {entry['username']}")
