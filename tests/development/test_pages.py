"""Pages run as they are written, and say so when something else happens."""

import pytest

from development.pages import PageWrong, run_page


@pytest.fixture
def run(tmp_path):
    """Run a page; gives its names."""

    def run(text, **names):
        page = tmp_path / "page.md"
        page.write_text(text)
        (tmp_path / "work").mkdir()
        return run_page(page, tmp_path / "work", **names)

    return run


def block(kind, *lines):
    return "\n".join([f"```{kind}", *lines, "```", ""])


def test_blocks_of_python_share_their_names(run):
    page = block("python", "x = 2 * given") + block("python", "print(x)") + block("text", "6")
    assert run(page, given=3)["x"] == 6


def test_a_command_goes_on_where_the_one_before_ended(run, tmp_path):
    page = block("bash", "mkdir below", "cd below") + block("bash", "touch here; ls")
    run(page + block("text", "here") + block("python", "open('too', 'w').close()"))
    assert (tmp_path / "work" / "below" / "too").exists()


def test_the_commands_of_this_environment_are_there(run):
    run(block("bash", "v6-algorithm --version") + block("text", "v6-algorithm, version …"))


def test_a_block_may_be_a_file_or_its_end(run, tmp_path):
    run(block("toml a.toml", "x = 1") + block("toml >> a.toml", "y = 2"))
    assert (tmp_path / "work" / "a.toml").read_text() == "x = 1\ny = 2\n"


def test_what_is_another_each_time_is_passed_over(run):
    run(block("bash", "date; echo end") + block("text", "…", "end"))


@pytest.mark.parametrize(
    "page",
    [
        block("python", "print(1)") + block("text", "2"),
        block("bash", "echo 1; date") + block("text", "2", "…"),
        block("bash", "echo 1.5") + block("text", "1x5"),
        block("bash", "echo out >&2") + block("text", "in"),
    ],
    ids=["python", "bash", "letters", "errors"],
)
def test_what_is_not_printed_must_not_be_said(run, page):
    with pytest.raises(PageWrong, match="says"):
        run(page)


@pytest.mark.parametrize("line", ["false", "false | true", "echo $no_such_name", "exit 3"])
def test_a_command_that_fails_is_told(run, line):
    with pytest.raises(PageWrong, match="which fails"):
        run(block("bash", line, "true"))


def test_a_picture_has_to_be_made(run):
    with pytest.raises(PageWrong, match=r"shows curve\.png"):
        run("![A curve](curve.png)\n")
