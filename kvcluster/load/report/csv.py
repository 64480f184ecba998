"""The timeline as CSV, a row a second, and under it nothing: what spreadsheets and plotting programs want."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

COLUMNS = ("s", "ops", "errors", "p50_ms", "p99_ms", "max_ms")


def build_csv(result: Mapping[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("workload", *COLUMNS))
    for row in result.get("timeline", ()):
        writer.writerow((result["workload"], *(row[column] for column in COLUMNS)))
    return out.getvalue()
