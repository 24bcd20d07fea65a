"""The thresholds of a data owner reach the container as they were written."""

import pytest

from vantage6.common.disclosure import Thresholds
from vantage6.common.exceptions import ConfigurationError


def test_what_is_told_is_what_is_read():
    own = Thresholds(minimum_rows=10, parameters_per_row=0.1, event_times=True)
    assert Thresholds.from_environment(own.variables()) == own


def test_what_is_not_told_is_as_by_default():
    read = Thresholds.from_environment({"DISCLOSURE_MINIMUM_CELL": "5", "PATH": "/bin"})
    assert read == Thresholds(minimum_cell=5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DISCLOSURE_MINIMUM_ROWS", "few"), ("DISCLOSURE_EVENT_TIMES", "maybe")],
)
def test_what_cannot_be_read_is_refused(variable, value):
    with pytest.raises(ConfigurationError, match=variable):
        Thresholds.from_environment({variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MINIMUM_ROWS", "0"),
        ("MINIMUM_CELL", "-1"),
        ("PARAMETERS_PER_ROW", "nan"),
        ("PARAMETERS_PER_ROW", "inf"),
        ("LEVELS_PER_ROW", "1.5"),
        ("DOMINANCE", "-0.1"),
    ],
)
def test_a_threshold_that_would_allow_anything_or_nothing_is_refused(variable, value):
    with pytest.raises(ConfigurationError, match=variable.lower()):
        Thresholds.from_environment({f"DISCLOSURE_{variable}": value})
