"""`vnode doctor`."""

import dataclasses
import json
import sys
from collections.abc import Iterable

import click

from vantage6.common.cli import json_option
from vantage6.common.context import InstanceContext
from vantage6.node.cli.options import with_instance
from vantage6.node.doctor import Finding, Verdict, examine

_MARKS = {Verdict.WELL: ("ok", "green"), Verdict.NOTE: ("note", "yellow")}
_WRONG = ("WRONG", "red")
_WIDTH = 18


@click.command()
@with_instance
@json_option
def doctor(context: InstanceContext, as_json: bool) -> None:
    """Find out why a node does not work, and what mends it.

    Nothing is started or changed. The exit code is 1 when something is wrong.
    """
    findings = list(_shown(examine(context), as_json))
    faults = [finding for finding in findings if finding.verdict is Verdict.WRONG]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        click.echo(f"\n{_sum(len(faults))}")
    sys.exit(1 if faults else 0)


def _sum(faults: int) -> str:
    if not faults:
        return "The node can work"
    return "1 thing is wrong" if faults == 1 else f"{faults} things are wrong"


def _shown(findings: Iterable[Finding], as_json: bool) -> Iterable[Finding]:
    """The findings, each on the screen as soon as it is there: some take seconds."""
    for finding in findings:
        if not as_json:
            _show(finding)
        yield finding


def _show(finding: Finding) -> None:
    mark, colour = _MARKS.get(finding.verdict, _WRONG)
    click.echo(f"{click.style(f'{mark:<6}', fg=colour)}{finding.subject:<{_WIDTH}}{finding.text}")
    if finding.remedy:
        click.echo(f"{'':<{6 + _WIDTH}}→ {finding.remedy}")
