"""The pictures of the README, from a real run: `snakemake --profile local --config experiments=cvs_dark`, then this."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from gonogo.report.render import to_text
from gonogo.verdict import Verdict

HERE = Path(__file__).parent
GATE = HERE.parent.parent / "results" / "cvs_dark" / "quality" / "sample"
ROWS_PX = 92 + 3 * 194  # title and three scenes


def main() -> None:
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=100, file=nowhere)
        console.print(Text.from_ansi(to_text(Verdict.read(GATE / "verdict.json"), colour=True, width=100)))
    console.save_svg(str(HERE / "no-go.svg"), title="snakemake --profile local --config experiments=cvs_dark")
    sheet = Image.open(GATE / "contact_sheet.png")
    sheet.crop((0, 0, sheet.width, ROWS_PX)).save(HERE / "contact_sheet.png", optimize=True)


if __name__ == "__main__":
    main()
