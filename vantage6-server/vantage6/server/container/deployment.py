"""A server of a configuration, put into a container: from its files to its first answer."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy.engine import URL

from vantage6.common.container import containers, image
from vantage6.common.container import settings as common
from vantage6.common.container.containers import ContainerFailed, Program
from vantage6.common.container.launch import launch, translate
from vantage6.common.container.settings import Mount
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.container import broker, network, ownership, settings
from vantage6.server.container.answer import START_SECONDS, wait_until_it_answers
from vantage6.server.container.settings import DEFAULT_IMAGE, IMPORT_FILE, Owner

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What the operator asks for beyond the configuration.

    Attributes
    ----------
    image : str, optional
    ip, port : optional
        Where this machine lets others reach the server: on all its addresses and at the
        configured port unless told otherwise; port 0 picks a free one.
    keep : bool
        Whether the container stays when it has ended.
    source : Path, optional
        A checkout, of which the packages are used instead of those in the image.
    broker_image : str, optional
        That of the broker, where one is started.
    """

    image: str | None = None
    ip: str | None = None
    port: int | None = None
    keep: bool = False
    source: Path | None = None
    broker_image: str | None = None


@dataclass(frozen=True)
class Started:
    """A server that was started.

    Attributes
    ----------
    container : str
        Its name.
    addresses : sequence of str, optional
        Where it answers; None while it does not answer yet.
    """

    container: str
    addresses: Sequence[str] | None


class Deployment:
    """One server of this machine and what its containers have in common.

    Parameters
    ----------
    api : docker.APIClient
    context : InstanceContext
    url : URL
        Its database.
    say : callable
        Gets what the operator should know meanwhile.
    """

    def __init__(self, api: Any, context: InstanceContext, url: URL, say: Say) -> None:
        settings.check_reachable(url)
        broker.check_reachable(context.config.get("rabbitmq_uri"))
        self._api, self._context, self._url, self._say = api, context, url, say
        self._places = settings.places(context, url)
        self._name = settings.container_name(context.name, context.scope)
        self._network = settings.network_name(context.name, context.scope)

    def start(self, wishes: Wishes) -> Started:
        """Start the server, and wait until it answers.

        Raises
        ------
        ConfigurationError
            When something of the operator's cannot be used.
        ContainerFailed
            When it does not come up, with the last it said.
        """
        if containers.find(self._api, settings.SERVER, self._context.name, self._context.scope):
            raise ConfigurationError(f"The server {self._context.name!r} is running already")
        owner = self._prepare()
        program = self._server(wishes, owner, self._image(wishes))
        image.ensure(self._api, program.image, self._say)
        containers.remove_ended(self._api, self._name)
        network.ensure(self._api, self._network, common.labels(self._context, settings.SERVER))
        try:
            self._start_broker(wishes, owner)
            return self._run(program)
        except (ConfigurationError, ContainerFailed):
            network.clear(self._api, self._network)
            raise

    def import_file(
        self, wishes: Wishes, file: Path, options: Sequence[str], out: BinaryIO, err: BinaryIO
    ) -> int:
        """Import a file in a container of its own; the exit code.

        Parameters
        ----------
        wishes : Wishes
        file : Path
        options : sequence of str
            Of the command `import`.
        out, err : binary files
            Get what the command says.
        """
        owner = self._prepare()
        name = self._image(wishes)
        image.ensure(self._api, name, self._say)
        with _readable_copy(file, self._places.data, owner) as copy:
            words = [*options, *settings.root_password_options(), str(IMPORT_FILE)]
            program = Program(
                name=f"{self._name}-import-{secrets.token_hex(4)}",
                command=self._command_inside("import", *words),
                labels=common.labels(self._context, settings.IMPORT),
                options=self._restrictions(),
                **self._common(
                    wishes,
                    owner,
                    name,
                    [
                        Mount(
                            copy,
                            IMPORT_FILE,
                        )
                    ],
                ),
            )
            return self._run_to_its_end(
                program, wishes.keep, _Translated(self._names_here(file), out, err)
            )

    def take_root_password(self) -> str | None:
        """The first password of `root`, if one was made; it is not there a second time."""
        path = self._places.data / settings.ROOT_PASSWORD_FILE
        try:
            # The server owns the folder, and might put a link to any file of ours here.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            # None was made, or it is not for this operator to see.
            return None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            password = file.read().strip()
        path.unlink()
        return password

    def _prepare(self) -> Owner:
        """Have the folders of the server, and as whom it runs."""
        owner = ownership.find_owner(self._places, containers.security_options(self._api))
        ownership.prepare(self._places, owner)
        return owner

    def _start_broker(self, wishes: Wishes, owner: Owner) -> None:
        """Have the broker that the configuration names, unless it is on another machine."""
        uri = self._context.config.get("rabbitmq_uri")
        address = broker.Address.from_uri(uri) if uri else None
        if address and address.is_container:
            broker.ensure(
                self._api,
                address,
                self._network,
                owner,
                self._restrictions(),
                wishes.broker_image,
                self._say,
            )

    def _server(self, wishes: Wishes, owner: Owner, name: str) -> Program:
        ports = settings.published(self._context.config, wishes.ip, wishes.port)
        options = ["--ip", "0.0.0.0", "--port", str(settings.PORT)]
        command = self._command_inside("start", *options, *settings.root_password_options())
        return Program(
            name=self._name,
            command=command,
            labels=common.labels(self._context, settings.SERVER),
            options={
                **self._restrictions(),
                **common.ending(wishes.keep),
                "port_bindings": ports,
            },
            network=self._network,
            ports=list(ports),
            **self._common(wishes, owner, name, []),
        )

    def _common(
        self, wishes: Wishes, owner: Owner, name: str, more: Sequence[Mount]
    ) -> dict[str, Any]:
        variables = settings.environment(self._context, self._url, os.environ)
        if wishes.source:
            variables["PYTHONPATH"] = common.source_path(wishes.source, "vantage6-server")
        return {
            "image": name,
            "user": str(owner),
            "environment": variables,
            "mounts": [*settings.mounts(self._places, wishes.source), *more],
            "names": self._names_here(),
        }

    def _restrictions(self) -> dict[str, Any]:
        engine = containers.security_options(self._api)
        return {**common.hardening(), **common.user_namespace(engine)}

    def _run(self, program: Program) -> Started:
        path = f"{self._context.config['api_path']}/version"
        try:
            addresses = launch(
                self._api,
                program,
                lambda id_: wait_until_it_answers(self._api, id_, path, START_SECONDS),
            )
        except KeyboardInterrupt:
            self._say("The server goes on starting; `vserver attach` shows how far it is")
            raise
        return Started(self._name, addresses)

    def _image(self, wishes: Wishes) -> str:
        return image.choose(wishes.image, self._context.config.get("image"), DEFAULT_IMAGE)

    def _names_here(self, file: Path | None = None) -> dict[str, str]:
        """What files are called in the container, and here."""
        names = {str(settings.CONFIG_FILE): str(self._places.config)}
        return {**names, str(IMPORT_FILE): str(file)} if file else names

    def _command_inside(self, name: str, *options: str) -> list[str]:
        return settings.command(name, self._context.environment, self._context.scope, *options)

    def _run_to_its_end(self, program: Program, keep: bool, told: "_Translated") -> int:
        container = containers.create(self._api, program)
        try:
            return containers.run_to_its_end(self._api, container, told)
        finally:
            if not keep:
                containers.remove(self._api, container)


class _Translated:
    """Passes on what a container says, with the names that its files have here."""

    def __init__(self, names: Mapping[str, str], out: BinaryIO, err: BinaryIO) -> None:
        self._names, self._out, self._err = names, out, err

    def __call__(self, out: bytes | None, err: bytes | None) -> None:
        for piece, target in ((out, self._out), (err, self._err)):
            if piece:
                target.write(translate(piece.decode(errors="replace"), self._names).encode())
                target.flush()


@contextmanager
def _readable_copy(file: Path, folder: Path, owner: Owner) -> Iterator[Path]:
    """A copy of a file, with the passwords in it, that only one user can read."""
    copy = folder / f"{settings.IMPORT_COPY}{secrets.token_hex(8)}.yaml"
    try:
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            if os.geteuid() == 0:
                os.fchown(target.fileno(), owner.uid, owner.gid)
            with file.open("rb") as source:
                shutil.copyfileobj(source, target)
        yield copy
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be copied: {error.strerror}") from error
    finally:
        copy.unlink(missing_ok=True)
