"""The algorithms that we ship: one folder each in `algorithms/`."""

from development.install import ROOT
from vantage6.common import __version__

#: Their folders, by name.
FOLDERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("algorithms/*/Dockerfile"))}


def tag(name: str) -> str:
    """The image of an algorithm, by the name of its folder."""
    return f"v6-{name.replace('_', '-')}-py:{__version__}"
