"""The table in an answer that says what each organization had."""

from collections.abc import Mapping
from typing import Any

__all__ = ["of_organizations"]


def of_organizations(
    answers: Mapping[int, Mapping[str, Any]], *figures: str
) -> list[dict[str, Any]]:
    """A record for each organization, with its id and some of what it told.

    Parameters
    ----------
    answers : mapping
        As `client.ask` gives them, by the id of the organization.
    figures : str
        What of each answer is told on, such as `rows`.

    Returns
    -------
    list of dict
        `organization`, and the figures: `pandas.DataFrame` makes a table of it.

    Examples
    --------
    >>> of_organizations({3: {"rows": 20, "sum": 7.5}}, "rows")
    [{'organization': 3, 'rows': 20}]
    """
    return [
        {"organization": id_, **{name: answer[name] for name in figures}}
        for id_, answer in answers.items()
    ]
