"""What an algorithm declares: read as it stands, and refused with the place of the mistake."""

import pytest

from vantage6.tools.cli.comparison import difference
from vantage6.tools.cli.declaration import DeclarationError, load


def test_a_new_algorithm_declares_three_sites_and_two_questions(new):
    declared = load(new)
    assert (declared.distribution, declared.package) == ("v6-pressure-py", "v6_pressure_py")
    assert list(declared.sites) == ["north", "east", "south"]
    assert declared.sites["east"] == {"default": str(new / "data" / "east.csv")}
    central, federated = declared.questions
    assert (central.central, central.sites) == (True, ["north"])
    assert (federated.central, federated.sites) == (False, ["north", "east", "south"])
    assert central.input == {
        "method": "mean",
        "master": True,
        "args": [],
        "kwargs": {"column": "pressure"},
    }


@pytest.mark.parametrize(
    ("old", "fresh", "reason"),
    [
        ("central = true", "centrl = true", "knows no centrl; it knows args, central"),
        ("central = true", 'central = "yes"', "`central` of .* has to be a bool, not 'yes'"),
        ("central = true", 'sites = ["west"]', "can be asked at north, east, south, not at"),
        ('method = "mean"\n', "", "`method` is missing from"),
        ('name = "east"', 'name = "north"', "Two sites are named 'north'"),
        ('name = "east"', 'name = "server"', "The site 'server' needs a name"),
        ('name = "east"', 'name = "../../etc"', "needs a name of letters, digits and dashes"),
        ("data/east.csv", "data/west.csv", "'default' of 'east', data/west.csv, is not there"),
        ('default = "data/east.csv"', "default = 1", "'default' of 'east' needs a path"),
        ('default = "data/east.csv"', 'x = "data/east.csv"', "'east' has no database"),
        ("[tool.v6-algorithm.", "[tool.other.", r"has no table \[tool.v6-algorithm\]"),
        (".questions]]", ".question]]", "knows no question"),
        ('"v6-pressure-py"', '"v6-else"', "no package 'v6_else'"),
        ("[project]", "[project", "cannot be read"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_a_mistake_is_named_with_its_place(new, change, old, fresh, reason):
    change("pyproject.toml", old, fresh)
    with pytest.raises(DeclarationError, match=reason):
        load(new)


def test_a_folder_without_an_algorithm_is_said_to_be_one(tmp_path):
    with pytest.raises(DeclarationError, match="is it the folder of an algorithm"):
        load(tmp_path)


def test_addresses_stay_as_they_are(new, change):
    change("pyproject.toml", "data/east.csv", "postgresql://127.0.0.1/east")
    assert load(new).sites["east"]["default"] == "postgresql://127.0.0.1/east"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": [1, 2.0, None, "x", True]}, {"a": [1.0, 2, None, "x", True]}),
        (1e9, 1e9 + 0.5),
        (0.0, 1e-10),
        (float("nan"), float("nan")),
        ({}, {}),
    ],
)
def test_answers_that_are_the_same(one, other):
    assert difference(one, other, 1e-9) == ""


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1] is 2 and 3"),
        ({"a": 1}, {"b": 1}, "a is in one of them only"),
        ([1], [1, 2], "the list has 1 and 2 entries"),
        (1, True, "the value is 1 and True"),
        (1, "1", "the value is 1 and '1'"),
        (None, 0, "the value is None and 0"),
        (1.0, 1.0 + 1e-8, "the value is 1.0 and 1.00000001"),
    ],
)
def test_answers_that_differ_say_where(one, other, place):
    assert difference(one, other, 1e-9) == place
