"""The suites: what is fetched, what it needs, how it is run, and which of its tests may differ between etcd and ours.

A row is a fact about somebody else's tests, and nothing of theirs is kept here: `fetch.py` gets the source distribution (or the
package from npm) into `.conformance/`, with an environment of its own, since the clients' requirements exclude each other (their
generated messages even collide in one process).

Where the author's suite lives only in a repository, or where a client has none, a file of `smoke/` takes its place
(`source="smoke"`, or "npm" for node's).
"""

from __future__ import annotations

from typing import NamedTuple


class Suite(NamedTuple):
    """One suite of one client.

    requirement: what is installed, pinned. source: "sdist" (tests of the source distribution), "wheel" (tests that are
    installed with the package) or "smoke" (ours, in smoke/). tests: arguments to pytest, in the suite's folder.
    needs: what else its environment holds. members: servers that it expects. environment: variables, with `{url}` for the
    first server's URL and `{urls}` for all, with commas. reasons: test → why ours may answer otherwise than etcd.
    etcd_fails: test → why it does not even pass on etcd, for the table's readers. plugin: a module of smoke/ with fixtures that
    the source distribution lacks. etcdctl_path: where the suite looks for etcdctl, if not in PATH.
    """

    name: str
    requirement: str
    tests: tuple[str, ...]
    source: str = "sdist"
    needs: tuple[str, ...] = ()
    members: int = 1
    environment: tuple[tuple[str, str], ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    etcd_fails: tuple[tuple[str, str], ...] = ()
    plugin: str = ""
    etcdctl_path: str = ""

    @property
    def key(self) -> str:
        """The name as a folder."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name).strip("-")

    @property
    def package(self) -> str:
        return self.requirement.split("==")[0]

    @property
    def version(self) -> str:
        return self.requirement.split("==")[1]


_OLD_TESTING = ("pytest<8", "hypothesis<6", "mock", "tenacity", "six", "setuptools<81", "protobuf<3.21")
"""What the suites of the etcd3 family were written for: function fixtures under `@given`, messages generated for protobuf 3."""
_FORK_ENVIRONMENT = (("ETCDCTL_ENDPOINTS", "{urls}"), ("TEST_ETCD_VERSION", "v3.5.1"))
"""Without PYTHON_ETCD_HTTP_URL: the forks pass it to etcdctl as a flag, and etcdctl refuses the flag beside ETCDCTL_ENDPOINTS."""

SUITES: tuple[Suite, ...] = (
    Suite(
        "etcd3",
        "etcd3==0.12.0",
        ("tests",),
        needs=_OLD_TESTING,
        members=3,
        environment=(("PYTHON_ETCD_HTTP_URL", "{url}"), ("TEST_ETCD_VERSION", "v3.5.1")),
    ),
    Suite(
        "cslab-etcd3",
        "cslab-etcd3==0.12.1",
        ("tests",),
        needs=("pytest<8", "hypothesis<6", "mock", "tenacity", "six", "setuptools<81"),
        members=3,
        environment=_FORK_ENVIRONMENT,
    ),
    Suite(
        "etcd-sdk-python",
        "etcd-sdk-python==0.0.7",
        ("tests",),
        needs=("pytest<9", "hypothesis<6.130", "mock", "tenacity", "protobuf<6"),
        members=3,
        environment=_FORK_ENVIRONMENT,
        etcdctl_path="/tmp/etcd-download-test/etcdctl",
    ),
    Suite(
        "aetcd",
        "aetcd==1.0.0",
        ("tests", "-o", "addopts=", "--with-cluster"),
        needs=("pytest<10", "pytest-asyncio<2", "pytest-mock<4"),
        members=3,
        environment=(("TEST_ETCD_HTTP_URL", "{url}"),),
    ),
    Suite(
        "etcd3gw",
        "etcd3gw==2.7.0",
        ("--pyargs", "etcd3gw.tests"),
        source="wheel",
        needs=("pytest<10", "oslotest"),
        environment=(("TOOZ_TEST_HTTP_URL", "{url}"), ("TOOZ_TEST_ETCD_PORT", "2379")),
    ),
    Suite(
        "etcetra",
        "etcetra==0.1.19",
        ("tests",),
        needs=("pytest<8", "pytest-asyncio==0.16.0", "setuptools<81"),
        plugin="etcetra_fixture",
    ),
    Suite(
        "tooz (etcd3gw driver)",
        "tooz==9.1.0",
        ("tooz/tests/test_coordination.py", "tooz/tests/drivers/test_etcd3gw.py", "tooz/tests/test_partitioner.py"),
        needs=("pytest<10", "etcd3gw", "ddt", "testtools", "fixtures", "testscenarios", "sysv-ipc", "pymemcache", "redis"),
        environment=(("TOOZ_TEST_URL", "etcd3+{url}?api_version=v3"),),
    ),
    Suite(
        "httpetcd",
        "httpetcd==0.3.3",
        ("httpetcd/tests/functional",),
        needs=("pytest<10",),
        environment=(("ETCD_ENDPOINT", "{url}"),),
    ),
    Suite(
        "etcd3aio (smoke)",
        "etcd3aio==0.3.0",
        ("test_etcd3aio.py", "-o", "asyncio_mode=auto"),
        source="smoke",
        needs=("pytest<10", "pytest-asyncio<2"),
        members=3,
    ),
    Suite(
        "etcd-client-py (Rust, smoke)",
        "etcd-client-py==0.5.1",
        ("test_etcd_client_py.py", "-o", "asyncio_mode=auto"),
        source="smoke",
        needs=("pytest<10", "pytest-asyncio<2"),
        members=3,
    ),
    Suite("etcd3 (node, smoke)", "etcd3==1.1.2", ("etcd3.test.js",), source="npm", members=3),
)
