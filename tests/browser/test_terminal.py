"""The picture of the command line is what a terminal shows."""

import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from local.terminal import COLUMNS, ROWS, draw, written

GREEN = "\x1b[38;2;0;200;0m"


def test_a_command_writes_as_to_a_terminal(tmp_path: Path) -> None:
    asks = "import os, sys; print(sys.stdout.isatty(), *os.get_terminal_size(), os.getcwd())"

    said = written([sys.executable, "-c", asks], tmp_path, os.environ)

    assert said.decode() == f"True {COLUMNS} {ROWS} {tmp_path}\r\n"


def test_a_picture_has_the_lines_and_colours_of_the_screen(
    chromium: Browser, tmp_path: Path
) -> None:
    bar = f"first\r\n{GREEN}{'█' * 40}\x1b[0m\r\n"
    one, over = tmp_path / "one.png", tmp_path / "over.png"

    draw(chromium, bar.encode(), one)
    # The line is written over, and another one comes.
    draw(chromium, f"{bar}\x1b[A{' ' * 40}\r\nthird\r\n".encode(), over)

    first, second = (Image.open(file).convert("RGB") for file in (one, over))
    assert first.width == second.width
    assert 1.25 < second.height / first.height < 1.5  # three lines, not two, and a frame
    assert is_green(first)
    assert not is_green(second)


def is_green(picture: Image.Image) -> bool:
    return (0, 200, 0) in {colour for _, colour in picture.getcolors(1 << 24) or ()}
