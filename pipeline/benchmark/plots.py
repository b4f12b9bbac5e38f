"""Ours minus each other procedure, with intervals, a panel per table."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pipeline.benchmark.compare import OURS

_COLOURS = {"win": "#1b7f5c", "tie": "#6b7280", "loss": "#c2410c"}


def draw_differences(results: dict[str, Any], loss: str = "log_loss") -> bytes:
    """Draw the paired differences as SVG: left of the line, ours is better."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in results["rows"]:
        if row["procedure"] != OURS:
            groups.setdefault((row["table"], row["outcome"]), []).append(row)
    names = [n for n in results["settings"]["procedures"] if n != OURS]
    names = [n for n in names if any(r["procedure"] == n for g in groups.values() for r in g)]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    with plt.rc_context({"svg.hashsalt": "benchmark", "font.size": 8, "svg.fonttype": "none"}):
        figure, axes = plt.subplots(
            lines, columns, figsize=(3.6 * columns + 1.2, 0.17 * len(names) * lines + lines + 0.6),
            squeeze=False, sharey=True, layout="constrained",
        )  # fmt: skip
        for axis in axes.flat[len(groups) :]:
            axis.set_visible(False)
        for axis, ((table, outcome), rows) in zip(axes.flat, groups.items(), strict=False):
            # Far behind is far behind: a default booster must not hide the close ones.
            near = sorted(abs(r["ours_minus_theirs"][loss]["estimate"]) for r in rows)
            reach = max(3 * near[len(near) // 2], 0.01)
            for row in rows:
                found = row["ours_minus_theirs"][loss]
                y, colour = names.index(row["procedure"]), _COLOURS[found["verdict"]]
                axis.plot([found["low"], found["high"]], [y, y], color=colour, lw=1.6)
                if found["estimate"] < -reach:
                    axis.plot(-reach, y, "<", color=colour, ms=5, clip_on=False)
                else:
                    axis.plot(found["estimate"], y, "o", color=colour, ms=3.5)
            axis.set_xlim(-reach, reach / 3)
            axis.axvline(0, color="#111827", lw=0.8)
            axis.set_yticks(range(len(names)), [n.replace("_", " ") for n in names])
            patients = results["tables"][table]["patients"]
            axis.set_title(f"{table} ({patients:,}), {outcome}", loc="left", fontweight="bold")
            axis.spines[["top", "right", "left"]].set_visible(False)
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="x", color="#e5e7eb", lw=0.6)
        axes[0, 0].invert_yaxis()  # the panels share it
        figure.supxlabel(
            "log-loss of ours minus that of the other; left of the line ours is better"
        )
        out = BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
    return out.getvalue()
