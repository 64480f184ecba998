"""The completion indexes of Indexed Jobs: sets of numbers as "1,3-5,7", and what a pod says of its own.

Pure functions. Source of the rules: Kubernetes pkg/controller/job/indexed_job_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.client import Object

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
MAX_INDEXES = 1_000_000


def index_of(pod: Object) -> int | None:
    """None where the pod has none, or nonsense."""
    text = (pod["metadata"].get("annotations") or {}).get(COMPLETION_INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def parse_indexes(text: str, completions: int) -> set[int]:
    """The numbers of "1,3-5" that are below completions; what cannot be read is passed over."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            continue
        start, end = int(first), int(last or first)
        found.update(range(start, min(end + 1, completions, MAX_INDEXES)))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Runs of three or more as a range, as Kubernetes writes them: "1,2,4-6"."""
    parts: list[str] = []
    run: list[int] = []

    def close() -> None:
        if len(run) > 2:
            parts.append(f"{run[0]}-{run[-1]}")
        elif len(run) == 2:
            parts.append(f"{run[0]},{run[1]}")
        elif run:
            parts.append(str(run[0]))
        run.clear()

    for index in sorted(indexes):
        if run and index != run[-1] + 1:
            close()
        run.append(index)
    close()
    return ",".join(parts)


def failure_count(pod: Object, annotation: str = FAILURE_COUNT) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() else 0
