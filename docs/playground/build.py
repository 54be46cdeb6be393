#!/usr/bin/env python3
"""The playground as a folder that any web server serves: the page, the pure wheel of this checkout, and Pyodide.

    npm install pyodide
    python docs/playground/build.py site/playground --pyodide node_modules/pyodide
    python docs/playground/build.py site/playground --pyodide node_modules/pyodide --serve 8000
"""
import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")


def build(out, pyodide):
    """Fill a folder. out: its path. pyodide: the folder with the runtime. Raises SystemExit if a file is missing."""
    missing = [name for name in RUNTIME if not (pyodide / name).exists()]
    if missing:
        raise SystemExit(f"{pyodide} hasn't {', '.join(missing)}: is it npm's package pyodide, of 314 or later?")
    (out / "pyodide").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "index.html", out)
    for name in RUNTIME:
        shutil.copy(pyodide / name, out / "pyodide")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, HERE.parents[1]],
                       check=True, env={**os.environ, "FASTGRAD_PURE": "1"})
        wheel, = Path(folder).glob("fastgrad-*-py3-none-any.whl")
        shutil.copy(wheel, out / "fastgrad.whl")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, with the types that browsers insist on, which not every system knows."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map,
                      ".mjs": "text/javascript", ".wasm": "application/wasm"}


def server(folder, port):
    """An HTTP server of a folder for this machine alone. port 0: any that is free."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--pyodide", type=Path, required=True, help="npm's package: node_modules/pyodide")
    parser.add_argument("--serve", type=int, metavar="PORT", help="then serve it on this machine, until Ctrl-C")
    options = parser.parse_args()
    build(options.out, options.pyodide)
    if options.serve is not None:
        with server(options.out, options.serve) as web:
            print(f"http://127.0.0.1:{web.server_port}/")
            try:
                web.serve_forever()
            except KeyboardInterrupt:
                pass


if __name__ == "__main__":
    main()
