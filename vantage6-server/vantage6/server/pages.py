"""What the server shows beside the API, at its root: the document of the API, to read or browse."""

import json
import mimetypes
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app
from swagger_ui_bundle import swagger_ui_path

from vantage6.server.openapi import document

# Scripts and styles of our own files only; the styles bring their icons along as data.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_OWN = Path(__file__).with_name("apidocs")
_FILES = {
    "start.js": _OWN,
    "swagger-ui.css": Path(swagger_ui_path),
    "swagger-ui-bundle.js": Path(swagger_ui_path),
    "favicon-32x32.png": Path(swagger_ui_path),
}

pages = Blueprint("pages", __name__)


def register(app: Flask) -> None:
    """Show the pages in an application."""
    app.register_blueprint(pages)


# The second is where the classic server has it.
@pages.get("/openapi.json")
@pages.get("/apispec_1.json")
def openapi() -> Response:
    """The OpenAPI document."""
    # In the order of the routes; the usual way of making JSON would sort it.
    text = json.dumps(document(current_app.config["API_PATH"]))
    return Response(text, mimetype="application/json")


@pages.get("/apidocs", strict_slashes=False)
@pages.get("/apidocs/", strict_slashes=False)
def apidocs() -> Response:
    """The document in a form to browse and to try out."""
    response = _file(_OWN / "index.html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@pages.get("/apidocs/<name>")
def apidocs_file(name: str) -> Response:
    """One of the files that the page loads."""
    if name not in _FILES:
        abort(404)
    return _file(_FILES[name] / name)


@pages.get("/robots.txt")
def robots() -> Response:
    """No page is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")


def _file(path: Path) -> Response:
    return Response(path.read_bytes(), mimetype=mimetypes.guess_type(path.name)[0])
