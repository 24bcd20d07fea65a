"""The R package by itself: its own tests, what R says to its form, what it shares with Python."""

import subprocess

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


@pytest.mark.parametrize(
    "value",
    [
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
    ],
    ids=repr,
)
def test_a_value_comes_back_from_r_as_it_was_sent(value, library, tmp_path):
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(serialize({"value": value}))
    program = """
    paths <- commandArgs(trailingOnly = TRUE)
    value <- vtg::from.payload(readBin(paths[[1]], "raw", file.size(paths[[1]])))
    writeBin(vtg::to.payload(value), paths[[2]])
    """
    r.run(program, sent, back, packages=[library])
    assert deserialize(back.read_bytes()) == {"value": value}
