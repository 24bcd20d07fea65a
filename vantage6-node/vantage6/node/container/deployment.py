"""A node of a configuration, put into a container: from its files until the server knows it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vantage6.common.config import warnings_about_keys
from vantage6.common.container import containers, image
from vantage6.common.container import settings as common
from vantage6.common.container.containers import Program
from vantage6.common.container.launch import launch
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.configuration import NodeSchema
from vantage6.node.container import files, settings
from vantage6.node.container.settings import DEFAULT_IMAGE, NODE, ONCE_FILE, READY_FILE, Files

# A server that is away does not end the node, so nobody waits for it for ever.
START_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Wishes:
    """What the operator asks for beyond the configuration.

    Attributes
    ----------
    image : str, optional
    keep : bool
        Whether the container stays when it has ended.
    force_databases : bool
        Whether database files are mounted that we do not see.
    source : Path, optional
        A checkout, of which the packages are used instead of those in the image.
    options : tuple of str
        More for `vnode-local start`.
    once : tuple of str
        Also, but not when the engine starts the container again.
    """

    image: str | None = None
    keep: bool = False
    force_databases: bool = False
    source: Path | None = None
    options: tuple[str, ...] = ()
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """A node that was started.

    Attributes
    ----------
    container : str
        Its name.
    ready : bool
        Whether the server knows it, and it takes tasks; it may still get there.
    """

    container: str
    ready: bool


class Deployment:
    """One node of this machine and its container.

    Parameters
    ----------
    api : docker.APIClient
    context : InstanceContext
    say : callable
        Gets what the operator should know meanwhile.
    """

    def __init__(self, api: Any, context: InstanceContext, say: Callable[[str], None]) -> None:
        self._api, self._context, self._say = api, context, say
        self._name = settings.container_name(context.name, context.scope)

    def start(self, wishes: Wishes) -> Started:
        """Start the node, and wait until it is ready for tasks, or for a while.

        Raises
        ------
        ConfigurationError
            When something of the operator's cannot be used.
        ContainerFailed
            When it does not come up, with the last it said.
        """
        self._check()
        found = files.find(self._context, os.environ, force_databases=wishes.force_databases)
        program = self._program(wishes, found)
        image.ensure(self._api, program.image, self._say)
        files.prepare(found)
        ready = found.data / READY_FILE
        ready.unlink(missing_ok=True)
        _leave(found.data / ONCE_FILE, wanted=bool(wishes.once))
        containers.remove_ended(self._api, self._name)
        try:
            is_ready = launch(self._api, program, lambda id_: self._wait(id_, ready))
        except KeyboardInterrupt:
            self._say("The node goes on starting; `vnode attach` shows how far it is")
            raise
        return Started(self._name, is_ready)

    def _check(self) -> None:
        context = self._context
        if containers.find(self._api, NODE, context.name, context.scope):
            raise ConfigurationError(f"The node {context.name!r} is running already")
        if not context.config["api_key"]:
            raise ConfigurationError(
                f"The node has no API key yet: vnode set-api-key --name {context.name} "
                f"-e {context.environment} --{context.scope}"
            )
        settings.check_reachable(context.config)
        for warning in warnings_about_keys(context.config, NodeSchema()):
            self._say(warning)

    def _program(self, wishes: Wishes, found: Files) -> Program:
        context = self._context
        engine = containers.security_options(self._api)
        socket_group = found.engine.stat().st_gid
        user = settings.user(os.geteuid(), os.getegid(), os.getgroups(), socket_group, engine)
        variables = settings.environment(found, os.environ)
        if wishes.source:
            variables["PYTHONPATH"] = common.source_path(wishes.source, "vantage6-node")
        return Program(
            name=self._name,
            image=image.choose(
                wishes.image,
                context.config["images"].get("node"),
                context.config.get("image"),
                DEFAULT_IMAGE,
            ),
            user=str(user),
            command=settings.command(context, wishes.options, wishes.once),
            labels=common.labels(context, NODE),
            environment=variables,
            mounts=list(settings.mounts(found, context.name, wishes.source)),
            options={
                **common.hardening(),
                **settings.rights(user),
                **common.user_namespace(engine),
                **common.ending(wishes.keep),
            },
            names=settings.names(found, context.name),
        )

    def _wait(self, container: str, ready: Path) -> bool:
        """Whether the node says in time that it is ready; ContainerFailed when it has ended."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            containers.inspect_running(self._api, container, NODE)
            if ready.exists():
                return True
            time.sleep(_LOOK_SECONDS)
        return False


def _leave(file: Path, *, wanted: bool) -> None:
    """Leave a file for the container, or see that none of an earlier start is there."""
    if wanted:
        file.touch(mode=0o600)
    else:
        file.unlink(missing_ok=True)
