"""The page on watching a server says what a server really does."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

import vantage6.server
from vantage6.common.config import unknown_keys
from vantage6.server.app import create_app
from vantage6.server.configuration import ServerSchema
from vantage6.server.metrics import collect

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "watch-a-server.md"


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def test_its_configurations_are_valid(text):
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    ours = [block for block in blocks if block.keys() <= {"logging", "metrics"}]
    assert len(ours) == 2
    for block in ours:
        assert ServerSchema().validate(block, partial=True) == {}
        assert unknown_keys(block, ServerSchema()) == {}


def test_it_names_every_metric(text, tmp_path):
    app = create_app({"uri": f"sqlite:///{tmp_path}/test.sqlite"})
    app.extensions["database"].create_tables()
    exposition = generate_latest(collect(app)).decode()
    app.extensions["database"].dispose()
    shown = set(re.findall(r"^# HELP (vantage6_\w+)", exposition, re.MULTILINE))
    documented = set(re.findall(r"^\| `(vantage6_\w+)`", text, re.MULTILINE))
    assert documented == shown


def test_it_names_every_action_of_the_audit_trail(text):
    called = re.compile(r"""(?:audit\.(?:record|attempt)|_record)\(\s*"([a-z_.]+)\"""")
    actions = {
        action
        for path in Path(vantage6.server.__file__).parent.rglob("*.py")
        for action in called.findall(path.read_text(encoding="utf-8"))
    }
    assert len(actions) > 5
    assert {action for action in actions if f"`{action}`" not in text} == set()
