"""Make the pictures of the README from a running demo: `make demo` in one terminal, `make screenshots` in another."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

CHECKOUT = Path(__file__).resolve().parent.parent
DOCS = CHECKOUT / "docs"
NAMES = ("chromium", "chromium-browser", "google-chrome")
GRID, COCKPIT = (1920, 1080), (1440, 860)  # as wide as the columns of the grid need; the first row of cards whole


def main() -> None:
    data = Path(os.environ.get("LOYALTY_DATA_DIR", "").strip() or CHECKOUT / ".local").expanduser()
    try:
        running = json.loads((data / "run.json").read_text(encoding="utf-8"))
        told = json.loads((data / "demo.json").read_text(encoding="utf-8"))
        web = f"http://127.0.0.1:{running['web_port']}"
    except (OSError, ValueError, KeyError):
        end("No demo was found here. Start `make demo`, wait until it is ready, and try again.")
    manager = next(login for login in told["staff"] if login["role"] == "manager")
    customer = told["customers"][0]
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        end("Chromium was not found. Install it (`apt-get install chromium`) or set CHROMIUM to its path.")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            take(signed_in(browser, web, manager, "/admin/rewards/redeemedreward/", size=GRID), "grid.png")
            take(signed_in(browser, web, customer, "/", size=COCKPIT), "cockpit.png")
        except BrowserError as error:
            end(f"The demo at {web} does not show what was expected. Is it running and ready? {error.message}")
        finally:
            browser.close()


def signed_in(browser: Browser, web: str, login: dict[str, str], path: str, *, size: tuple[int, int]) -> Page:
    """The page at this path as this person sees it."""
    page = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en-US", color_scheme="light", reduced_motion="reduce"
    ).new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{web}/accounts/login/?next={path}")
    page.get_by_label("Email").fill(login["email"])
    page.get_by_label("Password").fill(login["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{web}{path}")
    return page


def take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    DOCS.mkdir(exist_ok=True)
    page.screenshot(path=DOCS / name, animations="disabled")
    print(f"docs/{name}: {(DOCS / name).stat().st_size // 1024} kB")


def end(sentence: str) -> NoReturn:
    sys.exit(sentence)


if __name__ == "__main__":
    main()
