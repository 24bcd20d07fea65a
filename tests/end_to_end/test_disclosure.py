"""A data owner's thresholds hold in a whole federation, whatever a task says."""

import pytest

from development import average
from development.federation import Federation, Hospital, running
from development.hospitals import rows_of
from vantage6.common.exceptions import TaskFailed

pytestmark = pytest.mark.docker

ROWS = 200


@pytest.fixture(scope="module")
def strict(image, hospitals, tmp_path_factory):
    """One of the hospitals, which tells nothing about fewer than 200 rows; it has less."""
    smallest = min(hospitals, key=lambda hospital: rows_of([hospital])[hospital.name])
    assert rows_of([smallest])[smallest.name] < ROWS
    member = Hospital(smallest.name, smallest.database, {"disclosure": {"minimum_rows": ROWS}})
    folder = tmp_path_factory.mktemp("strict") / "federation"
    with running(Federation(folder, [member], [f"^{image}$"])) as members:
        yield members.client()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"disclosure": {"minimum_rows": 1}, "DISCLOSURE_MINIMUM_ROWS": "1"},
        {"env": {"DISCLOSURE_MINIMUM_ROWS": "1"}, "environment": {"DISCLOSURE_MINIMUM_ROWS": "1"}},
    ],
    ids=["plainly", "with thresholds of its own", "with variables of its own"],
)
def test_a_task_is_refused_by_the_rule_of_the_data_owner(strict, create, image, said):
    task = create({**average.partial_input(), **said}, client=strict)
    with pytest.raises(TaskFailed, match=f"fewer than {ROWS} usable rows"):
        strict.task.wait(task["id"])


def test_a_threshold_is_no_argument_of_an_algorithm(strict, create):
    question = average.partial_input()
    question["kwargs"]["minimum_rows"] = 1
    with pytest.raises(TaskFailed, match="unexpected keyword argument"):
        strict.task.wait(create(question, client=strict)["id"])
