"""`profilestore doctor`: what is unsafe in this installation."""

from __future__ import annotations

import click

from .options import CHECK_FAILED, Context, json_option, pass_context, print_json


@click.command()
@json_option
@pass_context
@click.pass_context
def doctor(click_context: click.Context, context: Context) -> None:
    """Say what is unsafe in this installation, and what to do about it.

    Exit 5 if there is any fault; warnings alone exit 0. Nothing stored is changed.
    """
    from dataclasses import asdict

    from profilestore.domain.json_values import write_json
    from profilestore.infrastructure.upkeep.doctor import examine
    from profilestore.infrastructure.upkeep.finding import Severity

    findings = examine(context.url)
    if context.json:
        print_json(write_json([asdict(finding) for finding in findings]))
    else:
        from .render_doctor import render_findings

        render_findings(findings)
    if any(finding.severity is Severity.FAULT for finding in findings):
        click_context.exit(CHECK_FAILED)
