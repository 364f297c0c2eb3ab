"""Tables of docs/benchmarks.md, docs/security.md and docs/memory.md, made from benchmarks/*.json.

python -m tools.tables [--check]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gonogo.base.units import gigabytes
from tools.generated import ROOT, write_or_check

Figures = Mapping[str, Any]


def read(name: str) -> Figures:
    figures: Figures = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())
    return figures


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; an empty cell for what was not measured."""
    lines = [[f" {cell} " if cell else " " for cell in row] for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(f"|{'|'.join(cells)}|" for cells in lines)


def measured(name: str, figures: Figures) -> str:
    """When and where, and the file with all figures."""
    return (
        f"Measured {figures['date']} on {figures['machine']}; {figures['software']} "
        f"([{name}.json](../benchmarks/{name}.json))."
    )


def part(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"{table(head, rows)}\n\n{measured(name, read(name))}"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def kinds() -> str:
    found = read("kinds")
    rows = []
    for good in found["good"]:
        bad = [row for row in found["bad"] if row["kind"] == good["kind"]]
        stopped = [
            f"{sum(row['stopped'] for row in some)} of {sum(row['sets'] for row in some)}"
            for some in ([row for row in bad if row["share"] == share] for share in (1.0, 0.3))
        ]
        rows.append(
            (
                good["kind"], f"{good['falsely_bad']} of {good['items']}", f"{good['stopped']} of {good['sets']}",
                f"{good['recognised']} of {good['sets']}", *stopped,
            )
        )  # fmt: skip
    head = (
        f"seed {found['seed']}", "good files called bad", "good sets stopped", "kind recognised",
        "bad sets stopped, all files spoilt", "of 30 % spoilt",
    )  # fmt: skip
    return part("kinds", head, rows)


def chain() -> str:
    found = read("chain")
    rows = [
        ("`cvs_dark`, from the start of Snakemake to its NO-GO", f"{found['dark_no_go_s']:.1f}"),
        ("`cvs`, the whole chain to its report", f"{found['chain_wall_s']:.1f}"),
        ("of which the work itself", f"{found['chain_work_s']:.1f}"),
        ("of which overhead of the chain", f"{found['chain_overhead_s']:.1f}"),
        ("whole ÷ work", f"{found['chain_ratio']:.2f}"),
        ("the same command again: nothing to be done", f"{found['again_s']:.1f}"),
        ("a changed threshold: only judges run", f"{found['threshold_s']:.1f}"),
    ]
    return part("chain", ("", "seconds"), rows)


def chaos() -> str:
    found = read("chaos")
    rows = [
        (f"processes killed (seed {found['seed']})", str(found["kills"])),
        ("chains that ended", f"{found['chains']}, one after {found['longest_chain_kills']} kills"),
        ("verdicts, archives or runs unlike an undisturbed chain's", str(len(found["different"]))),
        ("paid for twice", str(found["paid_twice"])),
        ("machines left billing", str(found["left_billing"])),
        ("chains that did not end", str(found["stuck"])),
    ]
    victims = ", ".join(f"{name} {count}" for name, count in found["victims"].items())
    return f"{part('chaos', ('', ''), rows)} Killed: {victims}."


def quality() -> str:
    found = read("quality")
    names = {
        "decode_threads": "decoding alone, threads",
        "decode_processes": "decoding alone, processes",
        "gonogo": "gonogo, the whole stage",
        "cleanvision": "CleanVision, all its checks",
    }
    rates = [
        (
            title,
            *(f"{found[f'{kind}_{name}_images_per_s']:,.0f}" for kind in ("png", "jpeg")),
            *(f"{found[f'{kind}_{name}_cpu_us'] / 1000:.3g} ms" for kind in ("png", "jpeg")),
        )
        for name, title in names.items()
    ]
    rows = [
        *rates,
        ("gonogo ÷ CleanVision", f"{found['png_ratio']:.1f}", f"{found['jpeg_ratio']:.1f}", "", ""),
        (
            "gonogo ÷ decoding alone, the faster of both",
            percent(found["png_limit_fraction"]), percent(found["jpeg_limit_fraction"]), "", "",
        ),
        ("peak memory, workers included", f"{found['peak_mb']:.0f} MB", "", "", ""),
    ]  # fmt: skip
    head = (f"{found['items']:,} pictures of each kind", "PNG per second", "JPEG per second", "CPU per PNG", "per JPEG")
    return part("quality", head, rows)


def many_files() -> str:
    found = read("many_files")
    names = {
        "size": "files and bytes, counted",
        "listing_digest": "digest of names, sizes and times",
        "scan": "items found, in their order",
        "draw_sample": "the same, and the order of the sample",
        "folder_digest": "digest of all contents",
    }
    rows = [
        (title, f"{found[f'{name}_cpu_s']:.1f}", f"{found[f'{name}_peak_mb']:.0f}") for name, title in names.items()
    ]
    return part("many_files", (f"{found['files']:,} files", "seconds of one core", "memory at most, MB"), rows)


def scale() -> str:
    found = read("scale")
    rows = [
        ("a DAG of 1,000 shards, planned", f"{found['plan_1000_shards_s']:.1f} s", ""),
        ("a DAG of a sweep of 100 variants, planned", f"{found['plan_100_variants_s']:.1f} s", ""),
        ("1,000 measured shards, judged as one set", f"{found['merge_1000_shards_s']:.1f} s", ""),
    ]
    for row in found["items"]:
        rows += [
            (f"{row['items']:,} items, {what}", f"{row[f'{key}_s']:.1f} s", f"{row[f'{key}_mb']:.0f} MB")
            for key, what in (("measure", "measured in one part"), ("judge", "judged"))
        ]
    last, many = found["items"][-1], 10**8
    for key, what in (("measure", "measured in one part"), ("judge", "judged")):
        hours = last[f"{key}_s"] * (many / last["items"]) ** found[f"{key}_slope"] / 3600
        rows.append(
            (
                f"{many:,} items, {what}: not measured, on the same line",
                f"{hours:.0f} h", f"{many * found[f'{key}_bytes_per_item'] / 1e9:.0f} GB",
            )
        )  # fmt: skip
    slopes = (
        f"Slope of time over items, from the last two sizes: {found['measure_slope']:.2f} measured, "
        f"{found['judge_slope']:.2f} judged (1: proportional). Memory: {found['measure_bytes_per_item']:.0f} and "
        f"{found['judge_bytes_per_item']:.0f} bytes for each item beyond {last['measure_mb']:.0f} MB at "
        f"{last['items']:,}. Two workers, each on a core: {found['efficiency']:.2f} of twice the speed of one by the "
        f"clock; one worker takes {found['processor_efficiency']:.2f} times the processor time of two."
    )
    return f"{part('scale', ('', 'processor time', 'memory at most'), rows)}\n\n{slopes}"


def accuracy() -> str:
    found = read("gate_accuracy")
    peer, one_view = found["peers"]["cleanvision"], found["one_view_sets"]["stopped"]
    good = [one for one in found["classes"] if one["good"]]
    bad = [one for one in found["classes"] if not one["good"] and one["knowable"]]
    rows = [
        (
            f"false alarms, of {sum(one['items'] for one in good):,} good views of {len(good)} classes",
            percent(found["false_alarm_rate"]), percent(peer["false_alarm_rate"]),
        ),
        (
            f"misses, of {sum(one['items'] for one in bad):,} bad views of {len(bad)} classes",
            percent(found["miss_rate"]), percent(peer["miss_rate"]),
        ),
        (
            f"bad sets of ten that passed, of {found['sets_bad']}",
            with_interval(found["wilson_95"]["bad_sets_passed"]), str(peer["wrong_go_sets"]),
        ),
        (
            f"good sets of ten that were stopped, of {found['sets_good']}",
            with_interval(found["wilson_95"]["good_sets_stopped"]), str(peer["wrong_no_go_sets"]),
        ),
        (
            f"sets of ten with one bad view of four that were stopped, of {one_view['of']} "
            f"({found['one_view_sets']['date']})",
            with_interval(one_view), "",
        ),
    ]  # fmt: skip
    return part("gate_accuracy", (f"seed {found['seed']}", "gonogo", f"CleanVision {peer['version']}"), rows)


def with_interval(share: dict[str, Any]) -> str:
    """A count, and Wilson's 95 % interval of its share."""
    low, high = share["wilson_95"]
    return f"{share['count']} ({100 * low:.1f}-{100 * high:.1f} %)"


LINES = {
    "small_lan": "small files, loopback", "big_lan": "one big file, loopback", "small_wan": "small files, clean line",
    "big_wan": "one big file, clean line", "small_lossy": "small files, lossy line",
    "big_lossy": "one big file, lossy line",
}  # fmt: skip
TOOLS = {"gonogo": "gonogo", "tar|ssh": "tar \\| ssh", "rsync": "rsync", "scp": "scp", "paramiko SFTP": "SFTP"}


def transfer() -> str:
    found = read("transfer")

    def seconds(line: str, tool: str) -> str:
        took, stopped = found["seconds"][line].get(tool), tool in found["stopped"][line]
        return "" if took is None else f"{'> ' if stopped else ''}{took:.1f}"

    rows = []
    for line, title in LINES.items():
        others = {tool: took for tool, took in found["seconds"][line].items() if tool != "gonogo"}
        best = min(others, key=lambda tool: others[tool])
        more = "> " if best in found["stopped"][line] else ""
        rows.append((title, *(seconds(line, tool) for tool in TOOLS), f"{more}{found[f'{line}_ratio']:.2f}"))
    facts = [
        ("sent again after a cut at half of the big file", percent(found["resume_share"])),
        ("sent after 1 % of the small files changed", percent(found["delta_share"])),
        ("peak memory here, `ssh` included", f"{found['max_rss_mb']:.0f} MB"),
    ]
    head = ("seconds, connecting included", *TOOLS.values(), "gonogo's rate ÷ the best other")
    return f"{table(head, rows)}\n\n{part('transfer', ('', ''), facts)}"


def learning() -> str:
    found = read("learning")
    rows = [
        (one["setup"], ", ".join(one["causes"]) or "passes", f"{one['named']} of {one['runs']}",
         "; ".join(one["otherwise"]), f"{one['cpu_s']:g}")
        for one in found["setups"]
    ]  # fmt: skip
    text = part("learning", ("run", "to be named", "right", "otherwise", "CPU seconds per run"), rows)
    for name, title in (("tuned", "Families in sight of which the thresholds were chosen"), ("aside", "Kept aside")):
        one = found[name]
        text += (
            f"\n\n{title} ({one['families']}): {one['good_stopped']} of {one['good_runs']} good runs stopped, "
            f"{one['faults_named']} of {one['fault_runs']} faults named."
        )
    return text


def scripts() -> str:
    rows = [
        (
            one["script"],
            *([one["absent"], "", "", "", "", ""] if "absent" in one else [
                *(one["parts"].get(name, "") for name in ("data", "wiring", "learning", "memory")),
                f"{one['needed_gb']:g} GB in {one['peak_in']}" if one["needed_gb"] else "",
                f"{one['seconds']:.0f}",
            ]),
        )
        for one in read("scripts")["scripts"]
    ]  # fmt: skip
    return part("scripts", ("script", "data", "wiring", "learning", "memory", "needed, H200", "seconds"), rows)


def script_faults() -> str:
    found = read("script_faults")
    makes = {"plain": "plain loops", "lightning": "Lightning", "hugging": "Hugging Face Trainer"}
    kinds: dict[str, dict[str, list[Figures]]] = {}
    for one in found["faults"]:
        make = makes.get(one["script"].partition("_")[0], makes["plain"])
        kinds.setdefault(one["kind"], {}).setdefault(make, []).append(one)
    rows = []
    for kind, of_it in kinds.items():
        cells = [
            f"{sum(one['named'] for one in of_it[make])} of {len(of_it[make])}" if make in of_it else ""
            for make in makes.values()
        ]
        told = next((one for ones in of_it.values() for one in ones if one["named"]), None)
        rows.append((kind, *cells, f"`{told['check']}`" if told else ""))
    rows.append(("all", "", "", "", f"{found['named']} of {len(found['faults'])}"))
    seconds = sorted(one["seconds"] for one in [*found["faults"], *found["healthy"]])
    head = ("fault", *(f"named, {make}" for make in makes.values()), "check")
    cost = f"Median {seconds[len(seconds) // 2]:.0f} s, longest {seconds[-1]:.0f} s, imports not counted."
    return (
        f"Healthy scripts stopped: {found['false_findings']} of {len(found['healthy'])}.\n\n"
        f"{part('script_faults', head, rows)} {cost}"
    )


def chain_projects() -> str:
    found = read("chain_projects")["rows"]
    healthy, faulty = ([one for one in found if bool(one["fault"]) is bad] for bad in (False, True))
    rows = [
        (
            one["project"], one["fault"] or "none",
            *(
                [one["absent"], "", "", "", ""]
                if "absent" in one
                else [str(one["lines"]), *_stop(one), f"{one['seconds']}"]
            ),
        )
        for one in found
    ]  # fmt: skip
    head = ("project", "fault", "lines that a user writes", "stopped by", "cause", "first check", "seconds")
    counts = (
        f"Healthy projects stopped: {sum(not one.get('right') for one in healthy)} of {len(healthy)}. Faults stopped "
        f"before the upload, the right check first: {sum(bool(one.get('right')) for one in faulty)} of {len(faulty)}."
    )
    return f"{counts}\n\n{part('chain_projects', head, rows)}"


def _stop(row: Figures) -> tuple[str, str, str]:
    """Gate, cause and check that stopped a chain."""
    if not row["gate"]:
        return ("none" if row["right"] else "**none**"), "", ""
    return row["gate"], row["cause"], f"`{row['check']}`"


ESTIMATORS = {
    "mem_tracker": "torch's MemTracker", "four_times_parameters": "4 × parameters (preflight-ml)",
    "accelerate": "`accelerate estimate-memory`",
}  # fmt: skip


def memory() -> str:
    found = read("memory")
    ran = sum(not case["oom"] for case in found["cases"])
    rows = [("gonogo", *_errors(found), str(ran))]
    for name, title in ESTIMATORS.items():
        rows.append((title, *_errors(found["peers"][name]), str(found["peers"][name]["rows"])))
    cost = f"Slowest trace {found['max_seconds']:.1f} s, most memory {found['max_rss_gb']:.2f} GB."
    head = ("absolute error of the peak", "median", "mean", "worst", "runs that did not run out of memory")
    return f"{part('memory', head, rows)} {cost}"


def _errors(of: Figures) -> tuple[str, ...]:
    values = (of["median_abs_error_pct"], of["mean_abs_error_pct"], of["worst_error_pct"])
    return tuple(f"{value:.1f} %" if value < 10 else f"{value:.0f} %" for value in values)


def trust() -> str:
    found = read("memory")
    right = round(found["oom_verdict_accuracy"] * found["rows"])
    above, below = found["measured_19_in_20_below_pct"], -found["measured_19_in_20_above_pct"]
    rows = [
        ("median error of the peak", f"{found['median_abs_error_pct']:.1f} %"),
        ("mean error", f"{found['mean_abs_error_pct']:.1f} %"),
        ("worst error", f"{found['worst_error_pct']:.1f} %"),
        ("19 in 20 measured peaks are above the estimate by no more than", f"{above:.1f} %"),
        ("19 in 20 are below it by no more than", f"{below:.1f} %"),
        ("out-of-memory predicted correctly", f"{right} of {found['rows']} runs"),
    ]
    return part("memory", ("", ""), rows)


def scripted() -> str:
    """Of the same runs: the gate's trace of a step, and the pass over a script."""
    both = {"the memory gate": read("memory"), "`gonogo check`": read("memory_scripts")}
    rows = []
    for title, found in both.items():
        right = sum(case["predicted_oom"] == case["oom"] for case in found["cases"])
        rows.append((title, str(found["rows"] - found["unknown_rows"]), *_errors(found), f"{right} of {found['rows']}"))
    head = ("", "runs", "median error", "mean", "worst", "out of memory predicted correctly")
    return part("memory_scripts", head, rows)


def plans() -> str:
    found = read("documented_plans")
    parts = []
    for system in found["systems"].values():
        rows = [
            (
                row["step"], row["document"] or "–", gigabytes(row["needed_bytes"]), f"{100 * row['share']:.0f} %",
                row["verdict"],
            )
            for row in system["rows"]
        ]  # fmt: skip
        parts.append(f"{system['title']}:\n\n{table(('', 'document', 'estimate', 'of the GPU', 'verdict'), rows)}")
    source = "[documented_plans.json](../benchmarks/documented_plans.json)"
    return "\n\n".join([*parts, f"Traced {found['date']} with {found['software']} ({source})."])


def hostile() -> str:
    found = read("hostile")
    rows = [
        ("ways of lying", str(found["lies"])),
        ("operations of the client, each against each lie", f"{found['operations']}, {found['cases']:,} in all"),
        ("that ended in a traceback", str(len(found["tracebacks"]))),
        ("peak memory of the client", f'{found["peak"]["mb"]} MB ("{found["peak"]["lie"]}")'),
        ("peak memory at the least harmful lie", f"{found['least_peak_mb']} MB"),
        *(
            (title, f'{case[key]:.1f} s ({case["operation"]}, "{case["lie"]}")')
            for title, key in (("longest case", "seconds"), ("most processor time of a case", "cpu_s"))
            if (case := found[{"seconds": "longest_wall", "cpu_s": "longest_cpu"}[key]])
        ),
    ]
    return f"{part('hostile', ('', ''), rows)} What waits for minutes of silence waited for 4 s here."


PAGES = {
    "docs/benchmarks.md": {
        "chain": chain(), "chaos": chaos(), "quality": quality(), "many_files": many_files(), "accuracy": accuracy(),
        "kinds": kinds(),
        "transfer": transfer(), "learning": learning(), "scripts": scripts(), "chain_projects": chain_projects(),
        "script_faults": script_faults(), "memory": memory(),
    },
    "docs/scale.md": {"scale": scale()},
    "docs/security.md": {"hostile": hostile()},
    "docs/memory.md": {"trust": trust(), "scripted": scripted(), "plans": plans()},
}  # fmt: skip

if __name__ == "__main__":
    write_or_check(PAGES, "schema")
