"""Logs: for people (console), or a JSON object a line in the shape of etcd's (--log-format=json)."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence

from kvcluster.errors import ConfigError

FORMATS = ("console", "json")
CONSOLE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LEVELS = {
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
    "panic": "CRITICAL",
    "fatal": "CRITICAL",
}
_NAMES = {"WARNING": "warn", "CRITICAL": "fatal"}


class JsonFormatter(logging.Formatter):
    """{"level":"info","ts":"2026-01-01T00:00:00.000Z","caller":"server/driver.py:90","msg":"…"}"""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        place = record.pathname.partition("kvcluster/")[2] or record.filename
        fields = {
            "level": _NAMES.get(record.levelname, record.levelname.lower()),
            "ts": f"{seconds}.{int(record.msecs):03d}Z",
            "caller": f"{place}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def set_up_logs(level: str, format: str, outputs: Sequence[str]) -> None:
    """outputs: stderr, stdout, default, or paths. Raises ConfigError."""
    if format not in FORMATS:
        raise ConfigError(f'--log-format: "{format}" is not one of {", ".join(FORMATS)}')
    handlers: list[logging.Handler] = []
    for output in outputs or ("default",):
        if output in ("default", "stderr"):
            handlers.append(logging.StreamHandler(sys.stderr))
        elif output == "stdout":
            handlers.append(logging.StreamHandler(sys.stdout))
        else:
            try:
                handlers.append(logging.FileHandler(output))
            except OSError as error:
                raise ConfigError(f"--log-outputs: cannot write {output}: {error.strerror}") from error
    formatter = JsonFormatter() if format == "json" else logging.Formatter(CONSOLE)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=_LEVELS[level], handlers=handlers)
    logging.getLogger("hpack").setLevel(logging.WARNING)
