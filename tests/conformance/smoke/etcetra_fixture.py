"""The fixture that etcetra's tests ask for and its source distribution lacks: a client of the first server."""

import os
from urllib.parse import urlsplit

import pytest
from etcetra import EtcdClient, HostPortPair


@pytest.fixture
def etcd() -> EtcdClient:
    url = urlsplit(os.environ["CONFORMANCE_URLS"].split(",")[0])
    assert url.hostname and url.port
    return EtcdClient(HostPortPair(url.hostname, url.port))
