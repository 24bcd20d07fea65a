"""The SPARQL endpoint that tests start."""

import pytest

from development import debian, programs, sparql


def test_it_answers_from_what_was_put_into_it():
    if sparql.PROGRAM.obstacle() and not debian.is_ours():
        pytest.skip(sparql.PROGRAM.obstacle())
    with sparql.serve() as endpoint:
        endpoint.insert("urn:g", '<urn:a> <urn:name> "one" .')
        answer = endpoint.ask("SELECT ?name FROM <urn:g> WHERE {?a <urn:name> ?name}")
        assert answer == b'"name"\n"one"\n'


def test_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(programs.shutil, "which", lambda name, path: None)
    monkeypatch.setattr(programs.debian, "is_ours", lambda: False)
    with pytest.raises(sparql.SetupError, match="virtuoso-t is not installed"), sparql.serve():
        pass
