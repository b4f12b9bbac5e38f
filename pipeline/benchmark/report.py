"""The comparison in Markdown, for people; losses stand as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.benchmark.compare import LOSSES, OURS

_TIMED = {
    "single_record_with_reasons": "one raw record to all risks with reasons, in booster calls",
    "batch_without_reasons": "throughput of a table without reasons, of the boosters' alone",
    "load_to_first_answer_seconds": "loading to the first answer, own seconds",
    "pyfunc_over_mlflow": "registered pyfunc, of MLflow's own overhead",
}
# What a reader must hold against the table that follows.
DISCLOSURE = (
    "The procedure's design (penalties, learners, leaf sizes) was developed while looking at real "
    "public tables, some of those below among them, so that this is no untouched test. "
    f"*{OURS}* alone is given the directions of effects that the tables' dictionaries state as "
    "known, which the other procedures cannot use; in return it runs without the audit that drops "
    "faulty columns, which would be ours alone too."
)
_WORDS = {"win": "ahead", "tie": "tied", "loss": "**behind**"}


def write_report(folder: Path) -> None:
    """Write ``report.md`` of what the folder holds: ``results.json``, ``speed.json`` or both."""
    parts = ["# The procedure against others"]
    for name, section in (("results", _comparison), ("speed", _speed)):
        file = folder / f"{name}.json"
        if file.exists():
            parts += section(json.loads(file.read_text(encoding="utf-8")))
    (folder / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _comparison(results: dict[str, Any]) -> list[str]:
    return [
        _how(results),
        "## Who is best",
        _standing(results),
        "## Ours against the best other procedure, table by table",
        _against(results),
        "![Ours minus each other procedure, in log-loss, with intervals](differences.svg)",
        "## The tables",
        _tables(results),
        "## Every figure",
        *_figures(results),
    ]


def _speed(found: dict[str, Any]) -> list[str]:
    rows = [
        [
            _TIMED[name],
            f"{entry['value']:.2f}",
            entry["target"],
            "yes" if entry["met"] else "**no**",
            ", ".join(
                f"{key.replace('_', ' ')} {value:,.3g}"
                for key, value in entry.items()
                if key not in ("value", "target", "met")
            ),
        ]
        for name, entry in found.items()
    ]
    return [
        "## Speed",
        _grid(["what", "measured", "target", "met", "from"], rows),
        "Ratios of medians, taken in turn in one run on one thread, so that the machine and its "
        "load cancel out. The reference is LightGBM's own `Booster.predict` on a numpy matrix, of "
        "every booster that the artifact holds; nested outcomes share one.",
    ]


def headline(results: dict[str, Any]) -> str:
    """Say in a few lines how ours did."""
    lines = []
    for loss, words in zip(LOSSES, ("log-loss", "Brier score"), strict=True):
        found = [entry[loss] for entry in results["against_the_best"]]
        counts = {v: sum(f["verdict"] == v for f in found) for v in _WORDS}
        lines.append(
            f"{words}: against the best other procedure of each table ours is ahead on "
            f"{counts['win']}, tied on {counts['tie']}, behind on {counts['loss']}"
        )
    leader = next(iter(results["mean_ranks"]))
    own = results["mean_ranks"][OURS]["mean"]
    best = results["mean_ranks"][leader]["mean"]
    lines.append(f"mean rank: {OURS} {own:.1f}, best is {leader} with {best:.1f}")
    return "\n".join(lines)


def speed_lines(found: dict[str, Any]) -> str:
    """Say in a line each how fast the scorer is."""
    return "\n".join(
        f"{_TIMED[name]}: {entry['value']:.2f} ({entry['target']}"
        f"{'' if entry['met'] else ': not met'})"
        for name, entry in found.items()
    )


def _how(results: dict[str, Any]) -> str:
    s = results["settings"]
    level = f"{100 * s['interval_level']:g} %"
    skipped = "; ".join(f"{name} ({why})" for name, why in results["skipped"].items())
    return (
        f"{s['folds']}-fold cross-validation, {s['repeats']} time(s); every procedure on the same "
        "folds and columns, all preparation inside the training fold, one thread each; times are "
        f"processor seconds. FLAML searched for {s['flaml_seconds']:g} s a fit on the wall clock, "
        "so that its results are not the same twice. Intervals hold "
        f"{level}, from {s['bootstrap']} bootstrap samples of patients; differences are paired. "
        "*Tied* says that the interval of the difference holds 0. The best of many is best "
        "partly by chance, so that being tied with it asks more than it seems to."
        f"\n\n{DISCLOSURE}" + (f"\n\nSkipped: {skipped}." if skipped else "")
    )


def _standing(results: dict[str, Any]) -> str:
    verdicts = _verdicts(results)
    rows = []
    for name, rank in results["mean_ranks"].items():
        slope = results["slope_distance"].get(name)
        counts = verdicts.get(name)
        rows.append(
            [
                f"**{name}**" if name == OURS else name,
                *(f"{rank[loss]:.1f}" for loss in LOSSES),
                "" if slope is None else f"{slope:.3f}",
                *(("",) * 2 if counts is None else counts),
            ]
        )
    head = ["procedure", "mean rank, log-loss", "mean rank, Brier", "mean distance of slope from 1"]
    return _grid([*head, "ours ahead / tied / behind, log-loss", "the same, Brier"], rows) + (
        "\n\nRanks are over the tables on which a procedure ran, among the procedures that ran on "
        "all of them. The distance of the slope is the mean of |log slope|."
    )


def _verdicts(results: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    names = dict.fromkeys(r["procedure"] for r in results["rows"] if r["procedure"] != OURS)
    for name in names:
        rows = [r["ours_minus_theirs"] for r in results["rows"] if r["procedure"] == name]
        found[name] = [
            " / ".join(str(sum(r[loss]["verdict"] == v for r in rows)) for v in _WORDS)
            for loss in LOSSES
        ]
    return found


def _against(results: dict[str, Any]) -> str:
    rows = []
    for entry in results["against_the_best"]:
        facts = results["tables"][entry["table"]]
        cells = [entry["table"], f"{facts['patients']:,}", entry["outcome"]]
        for loss in LOSSES:
            found = entry[loss]
            cells += [found["best"], _signed(found), _WORDS[found["verdict"]]]
        rows.append(cells)
    head = ["table", "patients", "outcome"]
    for loss in ("log-loss", "Brier"):
        head += [f"best other by {loss}", f"ours minus it, {loss}", "ours is"]
    return _grid(head, rows)


def _tables(results: dict[str, Any]) -> str:
    rows = []
    for facts in results["tables"].values():
        export = facts["export"]
        label = "; ".join(facts["outcomes"].values())
        if export and export["censored_before_horizon"]:
            label += f" ({export['censored_before_horizon']:,} censored before it, left out)"
        # Columns that the dictionary refuses as predictors: post-baseline, other predictions.
        refused = [
            name
            for name, why in facts["left_out"].items()
            if why == "not a baseline predictor by the dictionary"
        ]
        rows.append(
            [
                facts["name"],
                facts["title"],
                f"{facts['patients']:,}",
                " / ".join(f"{n:,}" for n in facts["events"].values()),
                str(facts["predictors"]),
                label,
                ", ".join(refused) or "none",
                export["reference"] if export else "its config",
            ]
        )
    head = ["table", "what", "patients", "events", "predictors", "label"]
    return _grid([*head, "refused as known only afterwards", "source"], rows)


def _figures(results: dict[str, Any]) -> Iterable[str]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in results["rows"]:
        groups.setdefault((row["table"], row["outcome"]), []).append(row)
    for (table, outcome), found in groups.items():
        found = sorted(found, key=lambda row: float(row["figures"]["log_loss"]["estimate"]))
        head = ["procedure", "log-loss", "ours minus it", "Brier", "ours minus it", "AUROC"]
        head += ["calibration slope", "ICI", "fit, s", "rows/s"]
        yield f"### {table}, {outcome}\n\n" + _grid(head, [_figure_row(row) for row in found])


def _figure_row(row: dict[str, Any]) -> list[str]:
    f, paired = row["figures"], row["ours_minus_theirs"]
    cells = [f"**{OURS}**" if row["procedure"] == OURS else row["procedure"]]
    for loss in LOSSES:
        cells += [_interval(f[loss], 4), "" if paired is None else _signed(paired[loss])]
    cells += [_interval(f[name], 3) for name in ("auroc", "calibration_slope", "ici")]
    speed = row["rows_per_second"]["median"]
    return [*cells, f"{row['fit_seconds']['median']:.2f}", f"{float(f'{speed:.2g}'):,.0f}"]


def _interval(figure: dict[str, Any], digits: int) -> str:
    if figure["estimate"] is None:
        return ""
    text = f"{figure['estimate']:.{digits}f}"
    if figure["low"] is None:
        return text
    return f"{text} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"


def _signed(figure: dict[str, Any]) -> str:
    return f"{figure['estimate']:+.4f} ({figure['low']:+.4f} to {figure['high']:+.4f})"


def _grid(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
