"""The SPARQL wrapper, against an endpoint of our own."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from vantage6.tools.docker_wrapper import sparql_wrapper


class Endpoint(BaseHTTPRequestHandler):
    """Answers every query with two rows, and keeps the query."""

    def do_GET(self):
        self.server.queries += parse_qs(urlsplit(self.path).query)["query"]
        content = b"age\n40\n60\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        server.queries = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_answer_to_the_query_is_the_data(run, algorithm, endpoint):
    query = "SELECT ?age WHERE { ?p <http://x/age> ?age }"
    run.set("DATABASE_URI", f"http://127.0.0.1:{endpoint.server_port}/sparql")
    run.ask(method="ages", query=query)
    sparql_wrapper(algorithm(RPC_ages=lambda data: data["age"].tolist()))
    assert json.loads(run.output.read_bytes()[5:]) == [40, 60]
    assert endpoint.queries == [query]


def test_an_input_without_a_query_is_refused(run, algorithm, capsys):
    run.ask(method="ages")
    with pytest.raises(SystemExit):
        sparql_wrapper(algorithm(RPC_ages=len))
    assert "no query" in capsys.readouterr().out
