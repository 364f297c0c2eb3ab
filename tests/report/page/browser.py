"""A page as people meet it: in Debian's Chromium, wide and narrow, light and dark, without any other place to ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

CHROMIUM = shutil.which("chromium")
SCREENS = (("light", 1280, 800), ("dark", 390, 844))
FIRST_SCREEN = {"verdict": ".word", "cause": "h1", "proof": ".proof > *", "next step": ".now li"}
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed after its module: as long as it is open, nothing else in this process can use asyncio."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        shown = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield shown
        shown.close()


def faults(browser: Browser, page: Path | str, first_screen: bool = True) -> list[str]:
    """What is wrong with a page: errors, requests to elsewhere, what the first screen lacks, overflow, accessibility.

    Args:
        page: a file, or an address on this machine.
        first_screen: whether it has one, as the page of an experiment has.
    """
    address = page.resolve().as_uri() if isinstance(page, Path) else page
    return [fault for screen in SCREENS for fault in _faults_on(browser, address, *screen, first_screen)]


def _faults_on(
    browser: Browser, address: str, scheme: Literal["light", "dark"], width: int, height: int, first_screen: bool
) -> list[str]:
    found: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.route("**/*", lambda route: _only_here(route, address, found))
    shown = context.new_page()
    shown.set_default_timeout(60_000)
    shown.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    shown.on("pageerror", lambda error: found.append(str(error)))
    shown.goto(address)
    found += [*(_first_screen(shown, height) if first_screen else ()), *_overflow(shown), *_axe(shown)]
    context.close()
    return [f"{scheme}, {width} × {height}: {fault}" for fault in found]


def _only_here(route: Route, address: str, found: list[str]) -> None:
    """The page itself, what it holds, and of a served page what its own server answers."""
    url = route.request.url
    served = address.startswith("http://127.0.0.1:") and url.split("/")[:3] == address.split("/")[:3]
    if served or url.startswith("data:") or url.split("#")[0] == address:
        route.continue_()
    else:
        found.append(f"asks {url}")
        route.abort()


def _first_screen(shown: Page, height: int) -> Iterator[str]:
    for what, selector in FIRST_SCREEN.items():
        found = shown.locator(selector)
        box = found.first.bounding_box() if found.count() else None
        if box is None or box["y"] < 0 or box["y"] + min(box["height"], 0.9 * height) > height or box["height"] < 8:
            yield f"the first screen does not hold the {what}: {box}"


def _overflow(shown: Page) -> Iterator[str]:
    wide, seen = shown.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    if wide > seen:
        yield f"{wide} pixels wide"


def _axe(shown: Page) -> Iterator[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for violation in axe.Axe().run(shown).response["violations"]:
        if violation["impact"] in GRAVE:
            yield f"{violation['id']}: {violation['help']}: {violation['nodes'][0]['html'][:200]}"
