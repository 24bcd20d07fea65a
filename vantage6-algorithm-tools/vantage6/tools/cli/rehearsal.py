"""The questions of an algorithm on a mock, in a process of its own.

The package is imported here and not in the command: it may be another one each time, and may
end its process.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vantage6.tools.cli import declaration
from vantage6.tools.mock_client import MockAlgorithmClient

Outcomes = list[dict[str, Any]]


def rehearse(folder: Path, ids: list[int]) -> Outcomes:
    """What each question is answered; `answers` and `failures`, by the name of the site.

    Parameters
    ----------
    folder : Path
        That of the algorithm.
    ids : list of int
        Of the organizations, in the order of the sites.
    """
    declared = declaration.load(folder)
    names = list(declared.sites)
    client = MockAlgorithmClient(
        [_datasets(databases) for databases in declared.sites.values()],
        declared.package,
        organization_ids=ids,
        organization_names=names,
        raise_errors=False,
    )
    return [
        _ask(client, question, dict(zip(names, ids, strict=True)))
        for question in declared.questions
    ]


def _datasets(databases: dict[str, str]) -> list[dict[str, str]]:
    return [{"database": uri, "label": label} for label, uri in databases.items()]


def _ask(
    client: MockAlgorithmClient, question: declaration.Question, ids: dict[str, int]
) -> dict[str, Any]:
    names = {id_: name for name, id_ in ids.items()}
    task = client.post_task(
        question.name,
        client.image,
        client.collaboration_id,
        question.input,
        organization_ids=[ids[site] for site in question.sites],
        database=question.database,
    )
    asked = client.wait_for_results(task["id"], allow_failures=True)
    return {
        "answers": {names[id_]: value for id_, value in asked.answers.items()},
        "failures": {names[id_]: failure.reason for id_, failure in asked.failures.items()},
    }


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    outcomes = rehearse(Path(order["folder"]), order["ids"])
    Path(order["output"]).write_text(json.dumps(outcomes), encoding="utf-8")
