"""A command on a terminal of its own, and a picture of what the terminal shows in the end."""

import base64
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize

from local.layout import BROWSER

ROWS, COLUMNS = 40, 100
XTERM = BROWSER / "node_modules" / "@xterm" / "xterm"
ROOM = ViewportSize(width=1200, height=800)
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; }
#frame { display: inline-block; padding: 14px 16px; border-radius: 8px; background: #16181d; }
.xterm .scrollbar { display: none; }
.xterm .xterm-viewport { background: none !important; }
</style><div id="frame"><div id="screen"></div></div>"""
REPLAY = """async ([content, rows, cols]) => {
  const terminal = new Terminal({
    rows, cols, fontFamily: "DejaVu Sans Mono", fontSize: 15, lineHeight: 1.15,
    cursorInactiveStyle: "none", scrollback: 0,
    theme: { background: "#16181d", foreground: "#d8dce3" },
  });
  terminal.open(document.getElementById("screen"));
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  await new Promise((done) => terminal.write(bytes, done));
  terminal.resize(cols, terminal.buffer.active.cursorY + 1);
  await document.fonts.ready;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def written(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> bytes:
    """All that a command writes to a terminal, until it ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ):
        os.close(theirs)
        content = b""
        # A terminal whose other end is closed reads as an error on Linux.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 1 << 16):
                content += piece
        os.close(ours)
    return content


def draw(browser: Browser, content: bytes, file: Path) -> None:
    """What a terminal shows after `content`, without the empty rows below."""
    page = browser.new_page(viewport=ROOM, device_scale_factor=1.5)
    page.set_content(PAGE)
    page.add_style_tag(path=XTERM / "css" / "xterm.css")
    page.add_script_tag(path=XTERM / "lib" / "xterm.js")
    page.evaluate(REPLAY, [base64.b64encode(content.rstrip()).decode(), ROWS, COLUMNS])
    page.locator("#frame").screenshot(path=file, omit_background=True)
