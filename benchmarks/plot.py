"""Draw a training step's time by engine, on a log axis, from what bench_microgpt.py --json wrote.

    python benchmarks/bench_microgpt.py --json microgpt.json
    python benchmarks/plot.py microgpt.json --out microgpt.png
    python benchmarks/plot.py microgpt.json --bars --out lesson.png

A dot is a median and the line through it spans the quartiles; on a log axis dots are honest where bars aren't, since
it has no zero that a bar could stand on. The vertical line is the floor: the same script on plain floats, below which
no engine under an unmodified Python script can get. What is left of it takes loops out of the script, or works on
arrays.

--bars draws the four rows that a reader of a lesson asks for, on an axis from 0, where bars are honest: the lesson's
own class, micrograd, the same script with fastgrad, and with no autograd at all.
"""
import json
import os
import sys

from commandline import Parser

OURS, OTHERS, FLOOR = "#c2410c", "#475569", "#0f766e"
OUR_ENGINES = {"fastgrad", "fused", "published", "adam", "functional"}
ARRAYS = {"numpy", "torch", "jax", "jax-jit"}       # engines whose names are set in lighter ink


def duration(ms):
    """Milliseconds as a person says them: two digits that count."""
    if ms < 1:
        return f"{ms:.2f} ms"
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def worth(row):
    """A row's time and how many times floats that is."""
    text, times = duration(row["ms"]["step"]["median"]), row.get("times_floats")
    if not times or row["engine"] == "floats":
        return text
    digits = 2 if times["median"] < 1 else 1 if times["median"] < 10 else 0
    return f"{text}  ×{times['median']:.{digits}f}"


def caption(result):
    about = result["machine"]
    return f"{about['python']}, {about['processor']}, {result['date'][:10]}"


def draw(result, pyplot):
    """The figure of a result of bench_microgpt.py."""
    rows = sorted((row for row in result["rows"] if "ms" in row), key=lambda row: row["ms"]["step"]["median"])
    floor = next((row["ms"]["step"]["median"] for row in rows if row["engine"] == "floats"), None)
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.34 * len(rows)), layout="constrained")
    if floor:
        axes.axvline(floor, color=FLOOR, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    for y, row in enumerate(reversed(rows)):
        ms = row["ms"]["step"]
        ours = row["engine"] in OUR_ENGINES
        color = OURS if ours else FLOOR if row["engine"] == "floats" else OTHERS
        axes.plot([ms["low"], ms["high"]], [y, y], color=color, linewidth=2, alpha=0.5, solid_capstyle="round")
        axes.plot(ms["median"], y, "o", color=color, markersize=7)
        left = bool(floor) and ms["median"] < floor       # so that no text lies across the floor
        axes.annotate(worth(row), (min(ms["low"], ms["median"]) if left else max(ms["high"], ms["median"]), y),
                      xytext=(-9 if left else 9, 0), textcoords="offset points", va="center",
                      ha="right" if left else "left", color=color, fontsize=9,
                      fontweight="bold" if ours else "normal",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    for label, row in zip(axes.get_yticklabels(), reversed(rows)):
        if row["engine"] in OUR_ENGINES:
            label.set(color=OURS, fontweight="bold")
        elif row["engine"] in ARRAYS:
            label.set_color("#94a3b8")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda ms, position: f"{ms:g}" if ms < 1000 else f"{ms:,.0f}")
    axes.minorticks_off()
    low, high = rows[0]["ms"]["step"]["median"], rows[-1]["ms"]["step"]["median"]
    span = high / low        # room for the text beside the outermost dots grows with what an inch stands for
    axes.set_xlim(low / (2 * span ** 0.28) if floor and low < floor else low / 2, high * 2.4 * span ** 0.15)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    if floor:
        axes.annotate("floor: plain floats", (floor, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
                      textcoords="offset points", ha="center", color=FLOOR, fontsize=9)
    axes.set_xlabel(f"ms for a training step of microgpt, log scale; × is times floats\n{caption(result)}", fontsize=9,
                    color="#334155")
    axes.grid(axis="x", color="#e2e8f0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="both", length=0)
    return figure


BARS = {"micrograd": "micrograd", "lesson": "the lesson's own class", "floats": "no autograd: plain floats",
        "fused": "fastgrad, the same script"}      # rows of draw_bars, from the top


def draw_bars(result, pyplot):
    """The lesson's own class, micrograd, fastgrad and floats of a result as bars, with their times."""
    ms = {row["engine"]: row["ms"]["step"]["median"] for row in result["rows"] if "ms" in row and row["engine"] in BARS}
    shown = [engine for engine in BARS if engine in ms]
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.42 * len(shown)), layout="constrained")
    for y, engine in enumerate(shown):
        color = OURS if engine == "fused" else FLOOR if engine == "floats" else OTHERS
        axes.barh(y, ms[engine], height=0.62, color=color)
        text = duration(ms[engine])
        if engine == "fused" and "lesson" in ms:
            text += f": {ms['lesson'] / ms[engine]:,.0f} times as fast"
        axes.annotate(text, (ms[engine], y), xytext=(6, 0), textcoords="offset points", va="center", color=color,
                      fontsize=10, fontweight="bold" if engine == "fused" else "normal")
    axes.set_yticks(range(len(shown)), [BARS[engine] for engine in shown], fontsize=10)
    for engine, label in zip(shown, axes.get_yticklabels()):
        if engine == "fused":
            label.set_color(OURS)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(ms.values()))
    axes.set_xlabel(f"time for a training step of microgpt\n{caption(result)}", fontsize=9, color="#334155")
    axes.xaxis.set_major_formatter(lambda x, position: f"{x:,.0f} ms")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="both", length=0)
    return figure


def main():
    parser = Parser(description="Draw a training step's time by engine.")
    parser.add_argument("result", help="what bench_microgpt.py --json wrote")
    parser.add_argument("--out", default="microgpt.png", help="PNG, SVG or PDF, by its ending (default microgpt.png)")
    parser.add_argument("--bars", action="store_true", help="four engines as bars: the lesson's own class among them")
    options = parser.parse_args()
    try:
        import matplotlib
    except ImportError:
        parser.error("matplotlib isn't installed: pip install 'fastgrad[bench]'")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    try:
        with open(options.result) as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        parser.error(f"can't read {options.result}: {error}")
    if result.get("benchmark") != "bench_microgpt" or not any("ms" in row for row in result["rows"]):
        parser.error(f"{options.result} has no steps of bench_microgpt.py")
    if options.bars and not any("ms" in row and row["engine"] in BARS for row in result["rows"]):
        parser.error(f"{options.result} has none of the engines {', '.join(BARS)}")
    try:
        (draw_bars if options.bars else draw)(result, pyplot).savefig(options.out, dpi=160, facecolor="white")
    except (OSError, ValueError) as error:
        parser.error(f"can't write {options.out}: {error}")
    print(f"drew {os.path.basename(options.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
