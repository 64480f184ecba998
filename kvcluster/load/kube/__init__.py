"""The load tester's side of a Kubernetes API server: HTTP/1.1 through aiohttp, any server, ours or a real one.

api          addresses, credentials, errors; one request
objects      which resources can be written, and the objects of a run
lines        a watch's bytes → lines → batches, parsed once for all informers
informers    list + watch, and the account of what came
writing      one writer: creates, updates, deletes
"""

from kvcluster.load.kube.informers import Informers
from kvcluster.load.kube.writing import ObjectWriter

__all__ = ["Informers", "ObjectWriter"]
