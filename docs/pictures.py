#!/usr/bin/env python3
"""Makes the pictures of README.md and docs/ from real runs.

    cargo build --release && python3 docs/pictures.py

Each picture is the terminal output of one command, colours included, as an SVG. Python's standard
library is all it needs. `--check` makes nothing and fails where a picture would change.
"""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("RINGFENCE", ROOT / "target" / "release" / "ringfence"))
PICTURES = {
    "explain.svg": ["explain", "scenarios/use-cases/web-services.yaml",
                    "--from", "visitor", "--to", "web-1", "--tcp", "22"],
    "run.svg": ["run", "scenarios/use-cases/web-services.yaml",
                "scenarios/usage-notes/port-allowed-nobody-listens.yaml"],
}

COLUMN, LINE, MARGIN = 8.43, 19, 18
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff",
           "36": "#56d4dd", "90": "#8b949e", "91": "#ff7b72", "92": "#7ee787", "93": "#e3b341",
           "94": "#79c0ff", "95": "#d2a8ff", "96": "#56d4dd"}
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def spans(line):
    """Cuts a line of terminal output into (text, css) pieces."""
    style, start, pieces = {}, 0, []
    for match in SGR.finditer(line):
        pieces.append((line[start:match.start()], dict(style)))
        start = match.end()
        for code in (match.group(1) or "0").split(";"):
            if code in ("0", ""):
                style.clear()
            elif code == "1":
                style["font-weight"] = "bold"
            elif code == "2":
                style["fill"] = "#8b949e"
            elif code in COLOURS:
                style["fill"] = COLOURS[code]
            elif code == "39":
                style.pop("fill", None)
            elif code == "22":
                style.pop("font-weight", None)
    pieces.append((line[start:], dict(style)))
    return [(text, css) for text, css in pieces if text]


def svg(command, output):
    prompt = "\x1b[1;32m$\x1b[0m \x1b[1m" + command + "\x1b[0m"
    lines = [prompt, *output.rstrip("\n").split("\n")]
    columns = max(len(SGR.sub("", line)) for line in lines)
    width, height = round(columns * COLUMN + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        column, y = 0, MARGIN + LINE * number + 14
        for text, css in spans(line):
            style = "".join(f"{key}:{value};" for key, value in css.items())
            style = f' style="{style}"' if style else ""
            rows.append(f'<text x="{MARGIN + column * COLUMN:.1f}" y="{y}"{style} '
                        f'textLength="{len(text) * COLUMN:.1f}" xml:space="preserve">'
                        f"{html.escape(text)}</text>")
            column += len(text)
    label = html.escape(command)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="{label}">\n'
            f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n'
            f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" '
            f'font-size="14" fill="#e6edf3">\n' + "\n".join(rows) + "\n</g>\n</svg>\n")


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for name, arguments in PICTURES.items():
        environment = dict(os.environ, CLICOLOR_FORCE="1", COLUMNS="110")
        environment.pop("NO_COLOR", None)
        run = subprocess.run([BINARY, "--color", "always", *arguments], cwd=ROOT, text=True,
                             env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        picture = svg("ringfence " + " ".join(arguments), run.stdout)
        path = ROOT / "docs" / "pictures" / name
        if check and (not path.exists() or path.read_text() != picture):
            stale.append(name)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture)
    if stale:
        sys.exit("out of date, run docs/pictures.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()
