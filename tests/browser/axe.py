"""axe-core, asked about a page: which rules of WCAG 2.2 AA it breaks, and where."""

import os
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page

FILE = Path(__file__).resolve().parents[2] / "e2e/axe/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ASK = """async tags => {
    const found = await axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
    return found.violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.html.slice(0, 120)).join(" | ")}`);
}"""


@cache
def script() -> str:
    """The checker itself. Missing, it skips aloud; in CI, where it must be there, that is a failure."""
    if FILE.exists():
        return FILE.read_text(encoding="utf-8")
    reason = "AXE-CORE NOT FOUND. The pages' accessibility was NOT tested. Install it: `cd e2e/axe && npm ci`."
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} With CI=true this is a failure.", pytrace=False)
    pytest.skip(reason)


def violations(page: Page) -> list[str]:
    """The broken rules, each with the elements that break it; empty when there is none."""
    page.evaluate(script())  # as the inspector does: the page's own policy allows no such script
    return list(page.evaluate(ASK, TAGS))
