"""What an examination found, for people."""

from collections.abc import Iterable

from rich.text import Text

from profilestore.infrastructure.upkeep.finding import Finding

from .layout import console, printable

STYLES = {"fault": "bold red", "warning": "bold yellow", "ok": "green"}


def render_findings(findings: Iterable[Finding]) -> None:
    """Print each finding in a line, and below what is not ok what to do."""
    findings = tuple(findings)
    out = console()
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.severity:<9}", STYLES[finding.severity]),
            (f"{finding.subject:<{width}}  ", "bold"),
            printable(finding.found),
        )
        out.print(line, soft_wrap=True)
        if finding.remedy is not None:
            remedy = Text(f"{'':9}{'':{width}}  {printable(finding.remedy)}", "dim")
            out.print(remedy, soft_wrap=True)
