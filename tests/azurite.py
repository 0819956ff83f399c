"""Azurite, which is Azure's store on this machine, for tests: ``npm install -g azurite``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

PROGRAM = "azurite-blob"

# What Azurite documents for everybody.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_VERSION = "2021-08-06"


@contextmanager
def azurite() -> Iterator[int]:
    """The port of a store that runs, without any container."""
    options = ["--inMemoryPersistence", "--disableTelemetry", "--blobPort", "0"]
    command = [PROGRAM, "--silent", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = (re.search(r"listens on \S+:(\d+)", line) for line in process.stdout)
            yield next(int(found[1]) for found in lines if found)
        finally:
            process.terminate()


def environment(port: int, key: str = KEY) -> dict[str, str]:
    """The variables by which it is found."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": key,
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
    }


def make_container(port: int, name: str) -> str:
    """The address of a new container, which obstore does not make."""
    date = formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:{_VERSION}"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signed = "PUT" + "\n" * 12 + f"{headers}\n{resource}"
    mac = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
    given = {
        "x-ms-date": date,
        "x-ms-version": _VERSION,
        "Content-Length": "0",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(mac.digest()).decode()}",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=given)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()
    return f"az://{name}"
