"""An ordinary command line of `kvcluster serve` is read without argparse; argparse is the twin it must agree with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcluster.cli.serve_help import build_parser
from kvcluster.cli.serving import FLAGS, IGNORED_FLAGS, IGNORED_SWITCHES, defaults_of, parse_flags, variable_of
from kvcluster.errors import ConfigError

DEFAULTS = defaults_of({})
NAMES = [*FLAGS, "data-dir", *IGNORED_FLAGS, *IGNORED_SWITCHES, "nonsense", "name-", ""]
VALUES = st.sampled_from(["", "1", "-1", "-x", "0x10", " 7 ", "http://127.0.0.1:0", "a=b", "a b", "--name", "1_000"])


@st.composite
def words(draw: st.DrawFn) -> list[str]:
    """A flag and its value, in one word or two; sometimes without one, sometimes a value alone."""
    flag, value = f"--{draw(st.sampled_from(NAMES))}", draw(VALUES)
    return draw(st.sampled_from([[f"{flag}={value}"], [flag, value], [flag], [value]]))


@given(st.lists(words(), max_size=5))
def test_what_is_read_is_what_argparse_reads(groups: list[list[str]]) -> None:
    arguments = [word for group in groups for word in group]
    found = parse_flags(arguments, DEFAULTS)
    if found is not None:
        assert found == vars(build_parser(DEFAULTS).parse_args(arguments))


def test_every_flag_is_read() -> None:
    arguments = [f"--{name}={9 if isinstance(default, int) else 'x'}" for name, (default, _) in FLAGS.items()]
    arguments += [word for name in IGNORED_FLAGS for word in (f"--{name}", "x")] + [f"--{s}" for s in IGNORED_SWITCHES]
    found = parse_flags(arguments, DEFAULTS)
    assert found is not None and found == vars(build_parser(DEFAULTS).parse_args(arguments))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--nonsense=1"], ["--name"], ["--name", "--logger"], ["serve"], ["--snapshot-count=many"],
     ["--unsafe-no-fsync=1"], ["--"], ["--nam", "x"]],
)  # fmt: skip
def test_help_and_mistakes_are_left_to_argparse(arguments: list[str]) -> None:
    assert parse_flags(arguments, DEFAULTS) is None


def test_the_environment_speaks_where_the_command_line_does_not() -> None:
    defaults = defaults_of({"ETCD_NAME": "a", "ETCD_MAX_TXN_OPS": "7", "ETCD_SNAPSHOT_COUNT": "8", "ETCDCTL_API": "3"})
    found = parse_flags(["--snapshot-count", "9"], defaults)
    assert found is not None and (found["name"], found["max_txn_ops"], found["snapshot_count"]) == ("a", 7, 9)
    assert found == vars(build_parser(defaults).parse_args(["--snapshot-count", "9"]))
    assert variable_of("listen-client-urls") == "ETCD_LISTEN_CLIENT_URLS"


def test_a_variable_that_cannot_be_used_is_named() -> None:
    with pytest.raises(ConfigError, match='ETCD_MAX_TXN_OPS: "many" is not a number'):
        defaults_of({"ETCD_MAX_TXN_OPS": "many"})
