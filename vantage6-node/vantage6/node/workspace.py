"""The files of runs on this machine: input, token, output, and what the rounds of a task share.

::

    <folder>/                  readable by the node alone
        runs/<result id>/
            input, token       mounted read-only where the container looks for them
            data/              /mnt/data of the container
                task-XXXXXXXXX/output
            ways.json          what it may connect to outside
            remark             what whoever asked should know about how it was started
        inbox/<result id>      a large input while it comes in
        outbox/<result id>     an output, from the end of its container to the acknowledgement
        tmp/<run id>-<image>/  /mnt/tmp of all containers of this image with this run id

The containers' users are not known beforehand and have no capabilities, so what is meant for
them is open to everybody by its mode, below a folder that only the node may enter.
"""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vantage6.node.assignment import Assignment
from vantage6.node.copies import copy_database
from vantage6.node.databases import Database, file_names
from vantage6.node.inbox import Inbox, Input
from vantage6.node.layout import RunFiles, task_folder
from vantage6.node.outbox import Outbox
from vantage6.node.usage import measure

_WAYS = "ways.json"
_FOR_ALL = 0o777
_OUTPUT = "output"
_REMARK = "remark"
_DIGESTS = "digests"


class Workspace:
    """The files of all runs of one node.

    Parameters
    ----------
    folder : Path
        Made when it is not there, and closed to everybody else.

    Attributes
    ----------
    root : Path
        That folder.
    outbox : Outbox
        Where outputs wait for their delivery.
    inbox : Inbox
        Where large inputs come in.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self._runs, self._temporary = folder / "runs", folder / "tmp"
        waiting, arriving = folder / "outbox", folder / "inbox"
        for private in (self._runs, self._temporary, waiting, arriving):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
            private.chmod(0o700)
        self.outbox, self.inbox = Outbox(waiting), Inbox(arriving)
        self._sharing: dict[int, str] = {}
        self._shares = threading.Lock()

    def files(self, assignment: Assignment) -> RunFiles:
        """Where the files of a run are."""
        folder = self.folder(assignment.result_id)
        return RunFiles(
            folder / "input",
            folder / "token",
            folder / "data",
            self._temporary / _shared_name(assignment),
        )

    def folder(self, result_id: int) -> Path:
        """The folder of a run."""
        return self._runs / str(result_id)

    def results(self) -> set[int]:
        """The ids of the results of which there are files."""
        running = {int(path.name) for path in self._runs.iterdir() if path.name.isdecimal()}
        return running | self.outbox.results() | self.inbox.results()

    def prepare(
        self,
        assignment: Assignment,
        input_: Input,
        databases: Sequence[Database],
        largest_copy: int | None = None,
    ) -> RunFiles:
        """Lay out the files of a run that is about to start; the token comes later.

        Parameters
        ----------
        assignment : Assignment
        input_ : Input
        databases : sequence of Database
        largest_copy : int, optional
            Bytes that a copy of a database may have where the run gets copies of its own;
            None: they will be mounted.

        Raises
        ------
        NoCopy
            When a database cannot be copied.
        """
        files = self.files(assignment)
        self.remove(assignment.result_id)
        self.outbox.discard(assignment.result_id)
        task = files.data / task_folder(assignment.result_id)
        with self._shares:
            self._sharing[assignment.result_id] = files.temporary.name
            _open_folder(files.temporary)
        for folder in (files.data, task):
            _open_folder(folder)
        input_.put(files.input)
        files.input.chmod(0o444)
        _write(files.token, b"", 0o444)
        _write(task / _OUTPUT, b"", 0o666)
        # The engine would make the places to mount at itself, as root.
        for name in ("input", "token"):
            _write(task / name, b"", 0o444)
        names = file_names(databases)
        for database in databases:
            if database.path:
                place = files.data / names[database.label]
                if largest_copy is None:
                    _make_alike(database.path, place)
                else:
                    copy_database(database.label, database.path, place, largest_copy)
        return files

    def write_token(self, assignment: Assignment, token: str) -> None:
        """Put the token into the file that the container was made with."""
        files = self.files(assignment)
        files.token.chmod(0o600)
        files.token.write_text(token, encoding="ascii")
        files.token.chmod(0o444)

    def read_token(self, assignment: Assignment) -> str:
        """The token of a run that an earlier process of this node started."""
        return self.files(assignment).token.read_text(encoding="ascii")

    def write_ways(self, result_id: int, ways: Mapping[str, Any]) -> None:
        """Keep what a run may connect to, for the next process of this node."""
        (self.folder(result_id) / _WAYS).write_text(json.dumps(ways), encoding="utf-8")

    def read_ways(self, result_id: int) -> dict[str, Any] | None:
        """What a run may connect to outside, if anything."""
        try:
            content: dict[str, Any] = json.loads((self.folder(result_id) / _WAYS).read_bytes())
        except FileNotFoundError:
            return None
        return content

    def write_remark(self, assignment: Assignment, remark: str) -> None:
        """Keep what is to be told with the result."""
        if remark:
            (self.folder(assignment.result_id) / _REMARK).write_text(remark, encoding="utf-8")

    def read_remark(self, assignment: Assignment) -> str:
        """What was to be told with the result."""
        try:
            return (self.folder(assignment.result_id) / _REMARK).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def write_digests(self, assignment: Assignment, digests: Iterable[str]) -> None:
        """Keep what content of its image runs: the policy may have rules for that."""
        text = "\n".join(digests)
        (self.folder(assignment.result_id) / _DIGESTS).write_text(text, encoding="ascii")

    def read_digests(self, assignment: Assignment) -> Sequence[str]:
        """What content of its image runs."""
        try:
            text = (self.folder(assignment.result_id) / _DIGESTS).read_text(encoding="ascii")
        except FileNotFoundError:
            return ()
        return text.split()

    def take_output(self, result_id: int, limit: int) -> None:
        """Move what a container wrote as its output to the outbox; see there."""
        self.outbox.take(result_id, self.folder(result_id) / "data", limit)

    def remove(self, result_id: int) -> None:
        """Delete all files of a run but its output in the outbox, and what other runs may use.

        Raises
        ------
        PermissionError
            When the container left folders of another user that we may not change.
        """
        self.remove_tree(self.folder(result_id))

    def remove_temporary(self, assignment: Assignment) -> None:
        """Delete the folder that a run shares with others if nothing was left in it.

        Not while another run has it: the next round of a task is often prepared, but not started,
        when the one before is cleaned up.
        """
        folder = self.files(assignment).temporary
        with self._shares:
            self._sharing.pop(assignment.result_id, None)
            if folder.name in self._sharing.values():
                return
            try:
                folder.rmdir()
            except OSError:
                return  # something was left in it, or it is gone with an earlier run

    def left_temporary(self, used: Iterable[Assignment]) -> list[Path]:
        """What rounds left for others that may never come, all but that of some; largest first."""
        kept = {_shared_name(assignment) for assignment in used}
        left = [path for path in self._temporary.iterdir() if path.name not in kept]
        return sorted(left, key=lambda path: measure([path], sys.maxsize).size, reverse=True)

    @staticmethod
    def remove_tree(folder: Path) -> None:
        """Delete a folder in which an algorithm may have left others a thousand levels deep.

        Not by our own hands: the standard library holds a file open for each level, and other
        runs' doors would be short of them.

        Raises
        ------
        PermissionError
            When the container left folders of another user that we may not change.
        """
        if not folder.exists():
            return
        command = ["rm", "-rf", "--", str(folder.absolute())]
        done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").partition("\n")[0][-200:]
            raise PermissionError(f"{folder} cannot be deleted: {reason}")


def _shared_name(assignment: Assignment) -> str:
    """The name of the folder that the rounds of one algorithm share.

    The run id is the server's word; with the image in it, no server can put two algorithms
    into one folder.
    """
    image = hashlib.sha256(assignment.image.encode()).hexdigest()
    return f"{assignment.run_id}-{image[:16]}"


def _open_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_FOR_ALL)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def _make_alike(model: Path, path: Path) -> None:
    """An empty file or folder, as the model is one."""
    if model.is_dir():
        path.mkdir(exist_ok=True)
    else:
        path.touch()
