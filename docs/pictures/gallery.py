"""The gallery's pictures: one NO-GO of each gate, from real runs, as its page shows it.

    python docs/pictures/gallery.py [OPTION OF SNAKEMAKE …]

Needs playwright, Debian's chromium and some minutes: the chain of `cvs` runs to its end once, and gates then judge it
again by stricter thresholds; `cvs_dark` is the failure that the README tells. Run it in the repository's folder.
"""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
RESULTS = Path("results")
CHROMIUM = "/usr/bin/chromium"
QUALITY = 82
INSIST = "{experiment: cvs_dark, gate: quality, by: Ada Lovelace, reason: to see what learning says}"
FIDELITY = {"at_least": 35, "why": "the decoder does not reproduce the pictures that it is given"}
JUDGES = [f"judge_{gate}" for gate in ("generator", "quality", "learning", "memory", "launch", "canary", "results")]


@dataclass(frozen=True)
class Case:
    """What is run, and the gate that stops it."""

    name: str  # of its picture
    experiment: str
    config: tuple[str, ...] = ()
    written: dict[str, Any] | None = None  # the experiment's own file, where it has none
    again: bool = True  # gates judge what is there


CASES = (
    Case("quality", "cvs_dark", again=False),
    Case("generator", "gallery", written={"extends": "cvs", "gates": {"generator": {"own_view_psnr_db": FIDELITY}}}),
    # before `go`: once a run has finished, its canary is not made again
    Case("canary", "cvs", ("gates={canary: {max_slowdown: 0.1}}",), again=False),
    Case("go", "cvs", again=False),
    Case("results", "cvs", ("gates={results: {min_skill: 0.9}}",)),
    Case("launch", "cvs", ("gates={launch: {approval: required}}",)),
    Case("memory", "cvs", ("micro_batch_size=8192",)),
    Case("learning", "cvs_dark", (f"overrides=[{INSIST}]",), again=False),
)


def main() -> None:
    from playwright.sync_api import sync_playwright

    options = sys.argv[1:]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for case in CASES:
            run(case, options)
            for scheme in ("light", "dark"):
                photograph(browser, RESULTS / case.experiment / "report.html", scheme).save(
                    HERE / "gallery" / f"{case.name}-{scheme}.webp", quality=QUALITY, method=6
                )
        browser.close()


def run(case: Case, options: list[str]) -> None:
    words = ["snakemake", "--profile", "local", *options, *(["--forcerun", *JUDGES] if case.again else [])]
    own = Path("config/experiments", f"{case.experiment}.yaml")
    if case.written:
        own.write_text(yaml.safe_dump(case.written))
    try:
        subprocess.run([*words, "--config", f"experiments={case.experiment}", *case.config], check=False)
    finally:
        if case.written:
            own.unlink()


def photograph(browser: Browser, page: Path, scheme: str) -> Image.Image:
    """The first screen and the row of gates below it."""
    shown = browser.new_page(
        viewport={"width": 1180, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    shown.goto(page.resolve().as_uri())
    box = shown.locator(".gates").bounding_box()
    assert box is not None
    area = {"x": 0, "y": 0, "width": 1180, "height": box["y"] + box["height"] + 20}
    picture = Image.open(io.BytesIO(shown.screenshot(clip=area, animations="disabled")))  # type: ignore[arg-type]
    shown.close()
    return picture.convert("RGB")


if __name__ == "__main__":
    main()
