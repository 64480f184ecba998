"""The plots of a result, by matplotlib (the extra `plots`): the same for the PNG and for the page.

throughput over time | latency over time | latency by percentile, on HdrHistogram's axis: 90 %, 99 %, 99.9 % equally far apart
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kvcluster.errors import ConfigError
from kvcluster.load.recorder import decode_histogram

BLUE, ORANGE, RED, GREY = "#2f6fb4", "#d9822b", "#b4372f", "#8a8f98"
PERCENTILES = (0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999)
TICKS = (0, 90, 99, 99.9, 99.99, 99.999)


class PlotsMissingError(ConfigError):
    """matplotlib is not installed."""


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise PlotsMissingError("plots need matplotlib: pip install 'kvcluster[plots]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}
    )
    return pyplot


def check_plots() -> None:
    """Raises PlotsMissingError."""
    _pyplot()


def _thousands(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))


def _whole_seconds(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The last second is usually a part of one, and says little."""
    timeline = result["timeline"]
    return timeline[:-1] if len(timeline) > 2 else timeline


def plot_throughput(axes: Any, result: Mapping[str, Any]) -> None:
    whole = _whole_seconds(result)
    seconds = [row["s"] + 0.5 for row in whole]
    axes.plot(seconds, [row["ops"] for row in whole], color=BLUE, marker="o", markersize=3, label=result["unit"])
    if any(row["errors"] for row in whole):
        axes.plot(seconds, [row["errors"] for row in whole], color=RED, marker="x", markersize=4, label="errors")
        axes.legend(frameon=False)
    axes.axhline(result["throughput"], color=GREY, linewidth=1, linestyle="--")
    axes.set_title(f"{result['unit']} per second; dashed: {result['throughput']:,.0f}/s over all", loc="left")
    axes.set_xlabel("seconds")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.15 * max(result["throughput"], *(row["ops"] for row in whole)))
    _thousands(axes)


def plot_latency(axes: Any, result: Mapping[str, Any]) -> None:
    timeline = _whole_seconds(result)
    seconds = [row["s"] + 0.5 for row in timeline]
    for name, color in (("p50_ms", BLUE), ("p99_ms", ORANGE), ("max_ms", RED)):
        values = [max(row[name], 1e-3) for row in timeline]
        axes.plot(seconds, values, color=color, marker="o", markersize=3, label=name.removesuffix("_ms"))
    axes.set_title("latency per second, ms", loc="left")
    axes.set_xlabel("seconds")
    axes.set_xlim(left=0)
    axes.set_yscale("log")
    _log_numbers(axes)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.99), borderaxespad=0)


def plot_percentiles(axes: Any, result: Mapping[str, Any]) -> None:
    histogram = decode_histogram(result["histogram"])
    total = histogram.get_total_count()
    percents = [percent for percent in PERCENTILES if total * (100 - percent) >= 100 or percent == 0]
    places = [100 / (100 - percent) for percent in percents]
    values = [max(histogram.get_value_at_percentile(percent) / 1e3, 1e-3) for percent in percents]
    axes.plot(places, values, color=BLUE, marker="o", markersize=3)
    axes.set_xscale("log")
    ticks = [percent for percent in TICKS if percent <= percents[-1]]
    axes.set_xticks([100 / (100 - percent) for percent in ticks], [f"{percent:g} %" for percent in ticks])
    axes.minorticks_off()
    axes.set_yscale("log")
    _log_numbers(axes)
    axes.set_title("latency by percentile, ms", loc="left")
    axes.set_xlabel("share of all operations that are not slower")


def _log_numbers(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", alpha=0.25)


PLOTS: tuple[Callable[[Any, Mapping[str, Any]], None], ...] = (plot_throughput, plot_latency, plot_percentiles)


def _plots_of(result: Mapping[str, Any]) -> list[Callable[[Any, Mapping[str, Any]], None]]:
    """Those that there is something to draw for."""
    if not result.get("timeline") or not any(row["ops"] for row in result["timeline"]):
        return []
    return [plot for plot in PLOTS if plot is not plot_percentiles or result.get("histogram")]


def draw_png(result: Mapping[str, Any], path: Path) -> None:
    """All plots on one picture. Raises PlotsMissingError, OSError."""
    pyplot = _pyplot()
    plots = _plots_of(result)
    figure, all_axes = pyplot.subplots(1, max(len(plots), 1), figsize=(5 * max(len(plots), 1), 3.6), squeeze=False)
    figure.suptitle(_headline(result), x=0.01, ha="left", fontsize=11)
    for plot, axes in zip(plots, all_axes[0], strict=False):
        plot(axes, result)
    if not plots:
        all_axes[0][0].text(0.5, 0.5, "nothing was measured", ha="center")
        all_axes[0][0].axis("off")
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=110, format="png")
    finally:
        pyplot.close(figure)


def draw_svgs(result: Mapping[str, Any]) -> list[str]:
    """Each plot as an <svg> element, for a page. Raises PlotsMissingError."""
    pyplot = _pyplot()
    pictures = []
    for plot in _plots_of(result):
        figure, axes = pyplot.subplots(figsize=(6.4, 3.4))
        plot(axes, result)
        figure.tight_layout()
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True)
        pyplot.close(figure)
        text = out.getvalue()
        pictures.append(text[text.index("<svg") :])
    return pictures


def _headline(result: Mapping[str, Any]) -> str:
    latency = result["latency_ms"]
    headline = (
        f"{result['workload']}: {result['throughput']:,.0f} {result['unit']}/s, p50 {latency['p50']:g} ms, "
        f"p99 {latency['p99']:g} ms, {result['errors']:,} errors"
    )
    return headline + (f"  (interrupted: {result['interrupted']})" if result.get("interrupted") else "")
