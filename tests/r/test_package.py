"""The R package by itself: its own tests, what R says to its form, what it shares with Python."""

import datetime
import re
import subprocess

import numpy
import pandas
import pytest

from development import r
from development.install import ROOT
from vantage6.common import __version__
from vantage6.common.serialization import deserialize, serialize

TESTS = """
setwd(commandArgs(trailingOnly = TRUE)[[1]])
library(testthat)
Sys.setenv(VTG_VECTORS = commandArgs(trailingOnly = TRUE)[[2]])
results <- as.data.frame(test_dir(".", package = "vtg", load_package = "installed",
                                  reporter = "silent", stop_on_failure = FALSE))
bad <- results[results$failed > 0 | results$error | results$skipped | results$warning > 0, ]
cat(sum(results$nb), paste(bad$file, bad$test, collapse = "; "), sep = "\n")
"""


def test_it_has_the_version_of_the_others():
    assert f"Version: {__version__}\n" in (r.SOURCE / "DESCRIPTION").read_text()


def test_its_own_tests_pass(library):
    vectors = ROOT / "vantage6-common" / "tests" / "envelope" / "vectors.json"
    said = r.run(TESTS, r.SOURCE / "tests" / "testthat", vectors, packages=[library])
    expectations, _, failed = said.partition("\n")
    assert failed.strip() == ""
    assert int(expectations) > 80


def test_r_finds_no_fault_in_its_form(library, tmp_path):
    """Among them: exported functions without a manual page, arguments that are not described."""
    build = ["R", "CMD", "build", "--no-build-vignettes", str(r.SOURCE)]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    (archive,) = tmp_path.glob("vtg_*.tar.gz")
    check = ["R", "CMD", "check", "--no-manual", "--no-tests", "--no-vignettes", archive.name]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "_R_CHECK_SYSTEM_CLOCK_": "0"}
    # it would like to compare with what is published
    environment |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    subprocess.run(check, cwd=tmp_path, env=environment, check=False, capture_output=True)
    log = (tmp_path / "vtg.Rcheck" / "00check.log").read_text(errors="replace")
    assert "Status: OK" in log, [line for line in log.splitlines() if "..." not in line]


VALUES = [
    0.1,
    1 / 3,
    5e-324,
    1.7976931348623157e308,
    2**53 - 1,
    -7,
    "naïve “quotes” \\ \n\t\x01",
    [1, None, 2.5],
    [True, None],
    ["a", 1, None],
    [],
    {},
    {"a": {"b": [1, 2]}, "c": None},
    [{"sex": "f", "age": 41}, {"sex": "m", "age": None}],
]


@pytest.fixture(scope="module")
def came_back(library, tmp_path_factory):
    """The values, after R has read and written each."""
    folder = tmp_path_factory.mktemp("values")
    for index, value in enumerate(VALUES):
        (folder / str(index)).write_bytes(serialize({"value": value}))
    program = """
    for (path in list.files(commandArgs(trailingOnly = TRUE), full.names = TRUE)) {
        value <- vtg::from.payload(readBin(path, "raw", file.size(path)))
        writeBin(vtg::to.payload(value), path)
    }
    """
    r.run(program, folder, packages=[library])
    return [deserialize((folder / str(index)).read_bytes()) for index in range(len(VALUES))]


@pytest.mark.parametrize("index", range(len(VALUES)), ids=lambda index: repr(VALUES[index]))
def test_a_value_comes_back_from_r_as_it_was_sent(index, came_back):
    assert came_back[index] == {"value": VALUES[index]}


SHOW = """
path <- commandArgs(trailingOnly = TRUE)[[1]]
value <- vtg::from.payload(readBin(path, "raw", file.size(path)))
cat(capture.output(dput(value, control = NULL)), sep = "")
"""

TABLE = pandas.DataFrame(
    {
        "age": [40.5, None],
        "n": pandas.array([1, None], dtype="Int64"),
        "sex": pandas.Categorical(["m", "f"], categories=["f", "m"]),
        "seen": pandas.to_datetime(["2026-11-21T10:40", None]),
        "name": ["a", "b"],
    }
)


#: What Python sends, and what R should have of it.
TYPED = [
    (float("inf"), "Inf"),
    ({"mean": float("nan"), "n": 3}, "list(mean = NaN, n = 3)"),
    (datetime.date(2026, 11, 21), "as.Date('2026-11-21')"),
    (numpy.array([[1.5, 2], [3, 4]]), "matrix(c(1.5, 3, 2, 4), 2)"),
    (pandas.Series([1.5, 2.5], index=["a", "b"]), "c(a = 1.5, b = 2.5)"),
    ({1.5: "x"}, "list(`1.5` = 'x')"),
    (TABLE[["age", "name"]], "data.frame(age = c(40.5, NA), name = c('a', 'b'))"),
]


def test_typed_values_of_python_are_what_they_were_in_r(library, tmp_path):
    for index, (value, _) in enumerate(TYPED):
        (tmp_path / str(index)).write_bytes(serialize(value, typed=True))
    program = f"""
    expected <- list({", ".join(in_r for _, in_r in TYPED)})
    for (at in seq_along(expected)) {{
        path <- file.path(commandArgs(trailingOnly = TRUE), at - 1)
        value <- vtg::from.payload(readBin(path, "raw", file.size(path)))
        cat(isTRUE(all.equal(value, expected[[at]])), "")
    }}
    """
    assert r.run(program, tmp_path, packages=[library]).split() == ["TRUE"] * len(TYPED)


def test_a_typed_table_of_python_keeps_the_types_of_its_columns_in_r(library, tmp_path):
    sent = tmp_path / "sent"
    sent.write_bytes(serialize(TABLE, typed=True))
    program = SHOW.replace("dput(value, control = NULL)", "str(value, vec.len = 5)")
    said = r.run(program, sent, packages=[library])
    kinds = re.findall(r"\$ (\w+) *: (num|int|Factor|POSIXct|chr)", said)
    assert dict(kinds) == {
        "age": "num",
        "n": "int",
        "sex": "Factor",
        "seen": "POSIXct",
        "name": "chr",
    }


IN_TYPED_FORM_ONLY = [
    '{"$typed": 2, "value": 1}',
    '{"$typed": 1, "value": {"$type": "period", "value": 1, "frequency": "D"}}',
    '{"$typed": 1, "value": {"$type": "frame"}}',
    '{"$typed": 1, "value": {"$type": "float", "value": "system"}}',
    '{"$typed": 1, "value": {"$type": "index", "dtype": "range", "start": 0, "stop": 1e15,'
    ' "step": 1}}',
    '{"$typed": 1, "value": {"$type": "values", "dtype": "float64", "values": ["x"]}}',
    '{"$typed": 1, "value": {"$type": "values", "dtype": "float64", "values": [[1]]}}',
]


def test_typed_values_that_r_cannot_have_are_refused(library, tmp_path):
    paths = [tmp_path / str(index) for index in range(len(IN_TYPED_FORM_ONLY))]
    for path, payload in zip(paths, IN_TYPED_FORM_ONLY, strict=True):
        path.write_text(payload)
    program = """
    for (path in commandArgs(trailingOnly = TRUE)) {
        payload <- readBin(path, "raw", file.size(path))
        cat(class(tryCatch(vtg::from.payload(payload), error = identity))[[1]], "")
    }
    """
    said = r.run(program, *paths, packages=[library]).split()
    assert said == ["vtg_payload_error"] * len(paths)


def test_the_programs_of_the_page_are_r_and_its_algorithm_computes(library, tmp_path):
    page = (ROOT / "docs" / "howto" / "use-r.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```r\n(.*?)```", page, re.DOTALL)
    algorithm, trial = (
        next(b for b in blocks if word in b) for word in ("RPC_total", "MockClient")
    )
    pandas.DataFrame({"age": [40, 41, 45]}).to_csv(tmp_path / "north.csv", index=False)
    pandas.DataFrame({"age": [60, None, 62, 63]}).to_csv(tmp_path / "south.csv", index=False)
    for index, block in enumerate(blocks):
        (tmp_path / f"{index}.R").write_text(block, encoding="utf-8")
    # there the algorithm is a package, here it is the program
    trial = f"mean <- {{{trial}}}".replace('"my.package"', '""')
    program = f"""
    setwd(commandArgs(trailingOnly = TRUE)[[1]])
    for (file in list.files(pattern = "[.]R$")) parse(file, encoding = "UTF-8")
    {algorithm}
    {trial}
    cat(mean)
    """
    said = r.run(program, tmp_path, packages=[library])
    assert float(said.split()[-1]) == pytest.approx((40 + 41 + 45 + 60 + 62 + 63) / 6, rel=1e-6)
