"""What a log says of an error: enough to mend it, and nothing of any row."""

import json

import pandas
import pytest

from vantage6.common.exceptions import TaskFailed
from vantage6.tools.docker_wrapper import docker_wrapper
from vantage6.tools.exceptions import DisclosureRefused

SECRET = "Mr Smith"
TABLE = "name,age\nMr Smith,40\nMrs Jones,old\n"


class OwnError(Exception):
    """An error of the algorithm itself."""


def text_to_number(data):
    return data["name"].astype(float)


def int_of_text(data):
    return int(data["name"][0])


def missing_key(data):
    return {}[data["name"][0]]


def missing_label(data):
    return data.set_index("name").loc["Nobody"]["x"][SECRET]


def caught_and_raised_again(data):
    try:
        int_of_text(data)
    except ValueError:
        raise


def caught_and_raised_by_name(data):
    try:
        int_of_text(data)
    except ValueError as error:
        raise error


def quoted_in_own_words(data):
    try:
        int_of_text(data)
    except ValueError as error:
        raise OwnError(f"This did not work: {error}") from error


def quoted_with_its_cause_hidden(data):
    try:
        missing_key(data)
    except KeyError as error:
        raise OwnError(f"No entry for {error.args[0]}") from None


def quoted_after_two_more(data):
    try:
        quoted_in_own_words(data)
    except OwnError as error:
        raise RuntimeError(f"again: {error}") from error


def asserted(data):
    value = data["name"][0]
    assert value == "", value


def formatted_by_a_library(data):
    return pandas.to_datetime(data["name"], format="%Y")


def in_an_answer_that_cannot_be_written(data):
    class Odd:
        def __getattr__(self, name):
            int_of_text(data)

    return Odd()


LEAKS = [
    text_to_number,
    int_of_text,
    missing_key,
    missing_label,
    caught_and_raised_again,
    caught_and_raised_by_name,
    quoted_in_own_words,
    quoted_with_its_cause_hidden,
    quoted_after_two_more,
    formatted_by_a_library,
    in_an_answer_that_cannot_be_written,
]


@pytest.fixture
def log_of(run, algorithm, capsys):
    """Run a function on a table of people; gives all that it printed, and its exit code."""
    run.database.write_text(TABLE)

    def log_of(function, *arguments, **options):
        run.ask(method="it", args=list(arguments))
        with pytest.raises(SystemExit) as ended:
            docker_wrapper(algorithm(RPC_it=function), **options)
        printed = capsys.readouterr()
        return printed.out + printed.err, ended.value.code

    return log_of


@pytest.mark.parametrize("log_traceback", [False, True])
@pytest.mark.parametrize("function", LEAKS, ids=lambda function: function.__name__)
def test_no_word_of_a_library_and_so_no_value_of_a_row_is_told(log_of, function, log_traceback):
    log, code = log_of(function, log_traceback=log_traceback)
    for secret in ("Smith", "Jones", "old", "Traceback"):
        assert secret not in log
    assert code in (1, 6)


def test_the_place_is_told_in_the_source_of_the_algorithm_and_the_library(log_of):
    log, _ = log_of(text_to_number)
    line = text_to_number.__code__.co_firstlineno + 1
    assert f"RPC_it: ValueError ({__name__}, line {line}, in text_to_number; raised in" in log
    assert "its text is left out, as it can show data" in log


def own_words(data):
    raise OwnError("There are more columns than rows")


def own_words_for_an_error_of_a_library(data):
    try:
        int_of_text(data)
    except ValueError:
        raise OwnError("A name is no number") from None


def refuses(data):
    raise DisclosureRefused("There are fewer than 5 usable rows in this database")


def asks_others(data):
    raise TaskFailed("Task 7 failed at organization 3 (crashed)", [])


@pytest.mark.parametrize(
    ("function", "words", "code"),
    [
        (own_words, "OwnError: There are more columns than rows", 1),
        (own_words_for_an_error_of_a_library, "OwnError: A name is no number", 1),
        (refuses, "DisclosureRefused: There are fewer than 5 usable rows in this database", 7),
        (asks_others, "TaskFailed: Task 7 failed at organization 3 (crashed)", 1),
    ],
)
def test_words_that_the_algorithm_chose_itself_reach_the_researcher(log_of, function, words, code):
    log, found = log_of(function)
    assert words in log
    assert found == code


def column(data, name):
    return data[name]


def column_in_words(data, name):
    try:
        return data[name]
    except KeyError:
        raise OwnError(f"There is no column {name!r}") from None


def test_a_column_that_the_input_names_and_the_database_has_not_is_told(log_of):
    assert "KeyError: 'height' (" in log_of(column, "height")[0]
    assert "OwnError: There is no column 'height' (" in log_of(column_in_words, "height")[0]


def test_arguments_that_do_not_fit_are_told_by_their_names(log_of):
    log, _ = log_of(column)
    assert "TypeError: column() missing 1 required positional argument: 'name' (" in log


def test_the_owner_of_the_data_may_have_the_whole_traceback(log_of, run):
    run.set("LOG_TRACEBACK", "true")
    log, _ = log_of(int_of_text)
    assert "Traceback (most recent call last)" in log
    assert "Smith" in log


def test_an_image_may_have_the_way_through_the_sources(log_of):
    log, _ = log_of(quoted_after_two_more, log_traceback=True)
    assert f"info >   {__name__}, line" in log
    assert "in quoted_after_two_more" in log


def test_words_of_great_length_are_cut(log_of):
    def endless(data):
        raise OwnError("x" * 1_000_000)

    log, _ = log_of(endless)
    assert len(log) < 2000


def test_errors_that_were_raised_for_each_other_come_to_an_end(log_of):
    def circle(data):
        one, other = OwnError("one"), OwnError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    assert "OwnError" in log_of(circle)[0]


def test_an_answer_that_cannot_be_written_is_told_apart(log_of, run):
    run.set("OUTPUT_FILE", str(run.output / "in" / "a" / "file"))
    log, code = log_of(lambda data: 1)
    assert code == 6
    assert "The answer cannot be written: Not a directory" in log


def test_what_is_nested_without_end_is_refused_both_ways(log_of, run):
    def deep(data):
        value = []
        for _ in range(100_000):
            value = [value]
        return value

    assert log_of(deep)[1] == 6
    assert json.loads("[]") == []
