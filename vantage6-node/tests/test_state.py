"""Every event in every phase: what it does, or that it has no meaning there."""

from dataclasses import replace

import pytest

from vantage6.common.exceptions import IllegalTransition
from vantage6.common.task_status import TaskStatus, is_final
from vantage6.node import state
from vantage6.node.assignment import Assignment, Report
from vantage6.node.state import Phase, Run, Trace, advance, begin

ASSIGNMENT = Assignment(1, 2, 3, "image", "default", "input", 4)
GOOD = Report(TaskStatus.COMPLETED, "", "later", "earlier", has_output=True)
BAD = Report(TaskStatus.START_FAILED, "no database", "later")
ODD = Report(TaskStatus.UNKNOWN_ERROR, "what was that", "later")
FAILED = Report(TaskStatus.FAILED, "the server does not take the result", "later")

LONG = "it took too long"

EVENTS = [
    state.Admitted(),
    state.Started(),
    state.Refused(BAD),
    state.Exited(),
    state.Overrun(LONG),
    state.Collected(GOOD),
    state.Delivered(),
    state.Rejected(FAILED),
    state.Gone(),
    state.Unwanted(),
    state.Released(),
    state.Unreleased("the engine is away"),
    state.Cleaned(),
    state.Postponed("the server is away"),
    state.Broken(ODD),
]

# How a run gets into each phase
WAYS = {
    Phase.WAITING: [],
    Phase.STARTING: [state.Admitted()],
    Phase.RUNNING: [state.Admitted(), state.Started()],
    Phase.COLLECTING: [state.Admitted(), state.Started(), state.Exited()],
    Phase.DELIVERING: [
        state.Admitted(),
        state.Started(),
        state.Exited(),
        state.Collected(GOOD),
    ],
    Phase.CLEANING: [
        state.Admitted(),
        state.Started(),
        state.Exited(),
        state.Collected(GOOD),
        state.Released(),
        state.Delivered(),
    ],
    Phase.DONE: [state.Unwanted(), state.Cleaned()],
}

AWAY = "the server is away"
NO_ENGINE = "the engine is away"
MOVES = {
    (Phase.WAITING, state.Admitted): (Phase.STARTING, [state.Start()]),
    (Phase.WAITING, state.Unwanted): (Phase.CLEANING, [state.Clean(confirm=True)]),
    (Phase.STARTING, state.Started): (Phase.RUNNING, []),
    (Phase.STARTING, state.Exited): (Phase.STARTING, []),
    (Phase.STARTING, state.Overrun): (Phase.STARTING, []),
    (Phase.STARTING, state.Refused): (Phase.DELIVERING, [state.Deliver(BAD), state.Release()]),
    (Phase.STARTING, state.Postponed): (Phase.STARTING, [state.Later(state.Start(), AWAY)]),
    (Phase.STARTING, state.Gone): (Phase.CLEANING, [state.Clean(confirm=True)]),
    (Phase.STARTING, state.Unwanted): (Phase.STARTING, [state.Abandon()]),
    (Phase.STARTING, state.Broken): (Phase.DELIVERING, [state.Deliver(ODD), state.Release()]),
    (Phase.RUNNING, state.Exited): (Phase.COLLECTING, [state.Collect()]),
    (Phase.RUNNING, state.Overrun): (Phase.COLLECTING, [state.Collect(LONG)]),
    (Phase.RUNNING, state.Unwanted): (Phase.CLEANING, [state.Clean(confirm=True)]),
    (Phase.RUNNING, state.Broken): (Phase.RUNNING, []),
    (Phase.COLLECTING, state.Collected): (
        Phase.DELIVERING,
        [state.Deliver(GOOD), state.Release()],
    ),
    (Phase.COLLECTING, state.Exited): (Phase.COLLECTING, []),
    (Phase.COLLECTING, state.Overrun): (Phase.COLLECTING, []),
    (Phase.COLLECTING, state.Unwanted): (Phase.COLLECTING, []),
    (Phase.COLLECTING, state.Postponed): (
        Phase.COLLECTING,
        [state.Later(state.Collect(), AWAY)],
    ),
    (Phase.COLLECTING, state.Broken): (Phase.DELIVERING, [state.Deliver(ODD), state.Release()]),
    (Phase.DELIVERING, state.Delivered): (Phase.CLEANING, []),
    (Phase.DELIVERING, state.Released): (Phase.DELIVERING, []),
    (Phase.DELIVERING, state.Unreleased): (
        Phase.DELIVERING,
        [state.Later(state.Release(), NO_ENGINE)],
    ),
    (Phase.DELIVERING, state.Exited): (Phase.DELIVERING, []),
    (Phase.DELIVERING, state.Overrun): (Phase.DELIVERING, []),
    (Phase.DELIVERING, state.Unwanted): (Phase.DELIVERING, []),
    (Phase.DELIVERING, state.Rejected): (Phase.DELIVERING, [state.Deliver(FAILED)]),
    (Phase.DELIVERING, state.Postponed): (
        Phase.DELIVERING,
        [state.Later(state.Deliver(GOOD), AWAY)],
    ),
    (Phase.DELIVERING, state.Gone): (Phase.CLEANING, []),
    (Phase.DELIVERING, state.Broken): (Phase.DELIVERING, [state.Deliver(ODD)]),
    (Phase.CLEANING, state.Released): (Phase.CLEANING, [state.Clean()]),
    (Phase.CLEANING, state.Unreleased): (
        Phase.CLEANING,
        [state.Later(state.Release(), NO_ENGINE)],
    ),
    (Phase.CLEANING, state.Cleaned): (Phase.DONE, []),
    (Phase.CLEANING, state.Exited): (Phase.CLEANING, []),
    (Phase.CLEANING, state.Overrun): (Phase.CLEANING, []),
    (Phase.CLEANING, state.Unwanted): (Phase.CLEANING, []),
    (Phase.CLEANING, state.Postponed): (Phase.CLEANING, [state.Later(state.Clean(), AWAY)]),
    (Phase.CLEANING, state.Broken): (Phase.DONE, []),
}


def run_in(phase: Phase) -> Run:
    run = Run(ASSIGNMENT)
    for event in WAYS[phase]:
        run, _ = advance(run, event)
    assert run.phase is phase
    return run


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_moves(phase, event):
    run = run_in(phase)
    if (phase, type(event)) not in MOVES:
        with pytest.raises(IllegalTransition, match=phase.value):
            advance(run, event)
        return
    after, actions = advance(run, event)
    expected_phase, expected_actions = MOVES[phase, type(event)]
    assert after.phase is expected_phase
    assert list(actions) == expected_actions
    assert replace(after.assignment, input=ASSIGNMENT.input) == ASSIGNMENT


def test_why_a_run_is_stopped_is_not_forgotten_while_the_engine_is_away():
    run, _ = advance(run_in(Phase.RUNNING), state.Overrun(LONG))
    for _ in range(2):
        run, actions = advance(run, state.Postponed(AWAY))
        assert actions == (state.Later(state.Collect(LONG), AWAY),)


def test_a_run_that_ends_before_we_hear_of_its_start_is_collected():
    run = run_in(Phase.STARTING)
    run, actions = advance(run, state.Exited())
    assert actions == ()
    run, actions = advance(run, state.Started())
    assert (run.phase, actions) == (Phase.COLLECTING, (state.Collect(),))


@pytest.mark.parametrize(
    "end", [state.Started(), state.Postponed("the engine is away"), state.Gone()]
)
def test_a_run_that_is_unwanted_while_it_starts_is_removed_when_that_is_over(end):
    run, actions = advance(run_in(Phase.STARTING), state.Unwanted())
    assert (run.phase, actions) == (Phase.STARTING, (state.Abandon(),))
    run, actions = advance(run, end)
    assert (run.phase, actions) == (Phase.CLEANING, (state.Clean(confirm=True),))


@pytest.mark.parametrize(
    ("end", "clean"),
    [(state.Delivered(), state.Clean()), (state.Gone(), state.Clean(confirm=True))],
)
@pytest.mark.parametrize("released_first", [True, False])
def test_a_run_is_cleaned_up_once_it_is_delivered_and_its_container_released(
    end, clean, released_first
):
    run = run_in(Phase.DELIVERING)
    events = [state.Released(), end] if released_first else [end, state.Released()]
    run, actions = advance(run, events[0])
    assert actions == ()
    run, actions = advance(run, events[1])
    assert (run.phase, actions) == (Phase.CLEANING, (clean,))


@pytest.mark.parametrize(
    ("phase", "action", "due"),
    [
        (Phase.STARTING, state.Start(), True),
        (Phase.CLEANING, state.Start(), False),
        (Phase.DELIVERING, state.Deliver(GOOD), True),
        (Phase.DELIVERING, state.Release(), True),
        (Phase.CLEANING, state.Release(), False),
    ],
)
def test_what_was_put_off_is_done_only_if_it_still_makes_sense(phase, action, due):
    assert state.is_due(run_in(phase), action) == due


def test_a_bare_failure_that_the_server_rejects_too_is_tried_again_later():
    run, _ = advance(run_in(Phase.DELIVERING), state.Rejected(FAILED))
    run, actions = advance(run, state.Rejected(FAILED))
    assert run.phase is Phase.DELIVERING
    assert actions == (state.Later(state.Deliver(FAILED), FAILED.log),)


@pytest.mark.parametrize("report", [GOOD, BAD, ODD, FAILED])
def test_a_delivered_run_has_the_final_status_of_its_report(report):
    run, _ = begin(ASSIGNMENT, Trace.NOTHING, report)
    assert run.status is report.status
    assert is_final(run.status)


@pytest.mark.parametrize(
    ("trace", "report", "phase", "actions"),
    [
        (Trace.NOTHING, None, Phase.WAITING, ()),
        (Trace.CREATED, None, Phase.WAITING, ()),
        (Trace.RUNNING, None, Phase.RUNNING, (state.Readmit(),)),
        (Trace.EXITED, None, Phase.COLLECTING, (state.Collect(),)),
        (Trace.EXITED, GOOD, Phase.DELIVERING, (state.Deliver(GOOD), state.Release())),
        (Trace.NOTHING, GOOD, Phase.DELIVERING, (state.Deliver(GOOD), state.Release())),
    ],
)
def test_what_an_earlier_process_left_is_taken_up(trace, report, phase, actions):
    run, todo = begin(ASSIGNMENT, trace, report)
    assert (run.phase, todo) == (phase, actions)


@pytest.mark.parametrize("phase", Phase)
def test_runs_that_start_or_run_take_a_place(phase):
    assert run_in(phase).takes_place == (phase in (Phase.STARTING, Phase.RUNNING))


def test_an_assignment_is_read_from_the_wire():
    task = {"id": 2, "run_id": 3, "image": "image", "database": "", "initiator": 4}
    wire = {"id": 1, "input": "input", "task": task}
    assert Assignment.from_wire(wire) == ASSIGNMENT


@pytest.mark.parametrize("odd", [-1, 2**63, True, "1", "../1", 1.0, None])
@pytest.mark.parametrize("which", ["result", "task", "run_id"])
def test_an_id_is_a_number_that_can_be_written_down(odd, which):
    """A run that the journal cannot hold would keep its place for ever."""
    task = {"id": 2, "run_id": 3, "image": "image", "database": "", "initiator": 4}
    wire = {"id": 1, "input": "input", "task": task}
    {"result": wire, "task": task, "run_id": task}[which][
        "run_id" if which == "run_id" else "id"
    ] = odd
    with pytest.raises(TypeError, match="id"):
        Assignment.from_wire(wire)


def test_the_input_is_not_held_longer_than_until_the_container_has_it():
    run, _ = advance(Run(ASSIGNMENT), state.Admitted())
    assert run.assignment.input == "input"
    run, _ = advance(run, state.Started())
    assert run.assignment.input == ""
