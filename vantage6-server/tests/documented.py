"""Whether what the server answers is what its OpenAPI document says."""

from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request

from vantage6.server.openapi import document

Words = dict[str, Any]


class Witness:
    """Compares every answer of an application with the document."""

    def __init__(self, app: Flask) -> None:
        self.violations: list[str] = []
        self._api_path = app.config["API_PATH"]
        app.after_request(self._look)

    def check(self) -> None:
        """Fail when an answer was not what the document says."""
        assert not self.violations, "\n".join(self.violations)

    def _look(self, response: Response) -> Response:
        if request.url_rule is not None and request.endpoint and request.method not in _UNSAID:
            violation = self._violation(response)
            if violation:
                call = f"{request.method} {request.full_path}: {response.status_code}"
                self.violations.append(f"{call}: {violation}: {response.get_data(as_text=True)}")
        return response

    def _violation(self, response: Response) -> str:
        path = str(request.url_rule).replace("<int(max=2147483647):", "{").replace(">", "}")
        if not path.startswith(f"{self._api_path}/") or path in _OTHER_PAGES:
            return ""
        answers = _answers(self._api_path)
        key = (path, request.method.lower(), str(response.status_code))
        if key not in answers:
            return "the document knows no such answer"
        if (response.mimetype or "") != answers[key]["mimetype"]:
            return f"is {response.mimetype}"
        missing = {name for name in answers[key]["headers"] if name not in response.headers}
        if missing:
            return f"lacks {missing}"
        if answers[key]["validator"] is None:
            return ""
        errors = answers[key]["validator"].iter_errors(response.get_json())
        return "; ".join(f"{error.instance_path}: {error.message:.200}" for error in errors)


# Not part of the document: they follow from all others.
_UNSAID = ("HEAD", "OPTIONS")
_OTHER_PAGES = ("/openapi.json", "/apispec_1.json", "/robots.txt", "/apidocs", "/apidocs/")


@cache
def _answers(api_path: str) -> dict[tuple[str, str, str], Words]:
    """All answers of the document: by path, method and status."""
    written = plain(document(api_path))
    return {
        (path, method, status): _answer(written, answer)
        for path, operations in written["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
    }


def _answer(written: Words, answer: Words) -> Words:
    if "$ref" in answer:
        answer = written["components"]["responses"][answer["$ref"].split("/")[-1]]
    headers = [name for name, said in answer.get("headers", {}).items() if said["required"]]
    ((mimetype, content),) = answer.get("content", {"": {}}).items()
    if mimetype != "application/json":
        return {"headers": headers, "validator": None, "mimetype": mimetype}
    schema = content["schema"]
    whole = {"components": written["components"], **schema}
    validator = jsonschema_rs.Draft7Validator(whole, validate_formats=True)
    return {"headers": headers, "validator": validator, "mimetype": mimetype}


def plain(words: Any) -> Any:
    """The words of OpenAPI 3.0 in those of JSON schema, which has no `nullable`."""
    match words:
        case dict():
            made = {name: plain(value) for name, value in words.items() if name != "nullable"}
            return {"anyOf": [made, {"type": "null"}]} if words.get("nullable") is True else made
        case list():
            return [plain(item) for item in words]
        case _:
            return words
