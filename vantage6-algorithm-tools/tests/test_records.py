"""What an answer says of each organization."""

from vantage6.tools.records import of_organizations


def test_each_organization_has_a_record_with_the_figures_that_are_told_on():
    answers = {3: {"rows": 20, "sum": 7.5, "missing": None}, 1: {"rows": 8, "sum": 2, "missing": 0}}
    assert of_organizations(answers, "rows", "missing") == [
        {"organization": 3, "rows": 20, "missing": None},
        {"organization": 1, "rows": 8, "missing": 0},
    ]
