"""What a Result looks like: text for a terminal, CSV, plots as PNG and inside one HTML page, and two results compared.

Every function takes the result's JSON (Result.to_json(), or the file that --json wrote), so old files can be shown too. Plots
need matplotlib, the extra `plots`; everything else is always there.
"""

from kvcluster.load.report.compare import compare, compare_text
from kvcluster.load.report.csv import build_csv
from kvcluster.load.report.fail_if import Condition, ConditionError, parse_condition
from kvcluster.load.report.figures import encode_json, read_result
from kvcluster.load.report.html import build_html
from kvcluster.load.report.plots import PlotsMissingError, check_plots, draw_png
from kvcluster.load.report.text import build_text

__all__ = [
    "Condition",
    "ConditionError",
    "PlotsMissingError",
    "build_csv",
    "build_html",
    "build_text",
    "check_plots",
    "compare",
    "compare_text",
    "draw_png",
    "encode_json",
    "parse_condition",
    "read_result",
]
