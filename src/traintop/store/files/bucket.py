"""A bucket of an object store, asked by way of obstore: what it costs and why it refuses, in words.

``s3://bucket``, ``gs://bucket`` and ``az://container``. Credentials are the user's own, as obstore
finds them in the environment and on machines of the cloud; of S3 also those in a profile of AWS.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from traintop.store.files import MISSING, AwayError, FileError
from traintop.store.files.aws_profile import aws_profile
from traintop.text import safe_text

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

SCHEMES = ("s3://", "gs://", "az://")
"""How the addresses of buckets begin."""

PAGE = 1000
"""Objects that the answer to one LIST has at most."""

PART = 16 << 20
"""Bytes that are stored by one request; an object of more is put together of parts."""

_AT_ONCE = 16
"""Requests that wait for their answers at the same time."""

_INSTALL = "buckets are read with obstore: pip install 'traintop[s3]'"
_LONGEST_REASON = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
}


_NO_CREDENTIALS = {
    "s3": "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE, or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "no credentials were found: run `gcloud auth application-default login`, or set "
    "GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "no credentials were found: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, "
    "or AZURE_USE_AZURE_CLI=true after `az login`",
}
_ASKED_FOR_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|token request|az login")

_REASONS = {
    "NoSuchBucket": "there is no such bucket",
    "ContainerNotFound": "there is no such container",
    "InvalidAccessKeyId": "does not know the access key: see AWS_ACCESS_KEY_ID and AWS_PROFILE",
    "SignatureDoesNotMatch": "refuses the secret key: see AWS_SECRET_ACCESS_KEY and AWS_PROFILE",
    "ExpiredToken": "the credentials have expired: log in again",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "AuthenticationFailed": "refuses the credentials",
}
_REASONS_OF_ONE = {
    "InvalidObjectState": "is archived: restore it, as to the storage class STANDARD",
    "InvalidRange": "is shorter than the store says",
}
_STATUSES = {
    "401": "refuses the credentials",
    "404": _REASONS["NoSuchBucket"],
}
_DENIED = "access is denied to these credentials"
_STATUS = re.compile(r"status code: (\d{3})")
_NO_KEY = "has a name that no object can have, with //, /./, /../ or control characters in it"
_KEY_IN_ERROR = re.compile(r'Path ("[^"\n]{1,1000}")')
_CODE = re.compile(r"<Code>([\w.]{1,60})</Code>")

# A person waits for the first answer; no request and its repetitions take longer than this.
_CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "10s", "timeout": "30s"}
_RETRIES: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2)},
}

_Job = TypeVar("_Job")
_Answer = TypeVar("_Answer")


class StoredObject(NamedTuple):
    """What the store says of an object; nothing was read of it."""

    key: str
    size: int
    """In bytes."""
    etag: str
    """Another one when the content is another."""
    modified: datetime
    """When it was stored, by the clock of the store."""


class UnusableKeyError(FileError):
    """A listing has a key that is no path, such as one with an empty name in it."""


class DeniedError(FileError):
    """The store refuses this question; of other objects or prefixes, it may answer it."""


class Bucket:
    """One bucket; any thread may ask. Errors are ``FileError``, and ``AwayError`` of all of it.

    Raises ``ValueError`` for an address that is none, and where obstore is not installed.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._scheme, _, name = place.partition("://")
        if not name:
            raise ValueError(f"{place} names no bucket: {self._scheme}://bucket/prefix")
        if not _NAME.fullmatch(name):  # which obstore would not survive
            raise ValueError(f"{place}: {name!r} is no name of a bucket")
        self._store = _store_of(place, self._scheme, name)
        self._lock = threading.Lock()
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many were sent so far, but for those that were repeated because they failed."""
        return self._requests

    def list(self, prefix: str, after: str | None = None) -> Iterator[Sequence[StoredObject]]:
        """The objects below a prefix, page by page; those ``after`` a key.

        Raises :class:`UnusableKeyError` at a page with a key that is no path.
        """
        import obstore

        def begin() -> Iterator[Sequence[ObjectMeta]]:
            return iter(obstore.list(self._store, prefix or None, offset=after, chunk_size=PAGE))

        pages = self._ask(begin, "listed")
        while True:
            self._count(1)
            page: Sequence[ObjectMeta] = self._ask(lambda: next(pages, ()), "listed")
            yield [_stored(each) for each in page]
            if len(page) < PAGE:
                return

    def list_folder(self, prefix: str) -> tuple[Sequence[StoredObject], Sequence[str]]:
        """The objects right below a prefix, and the prefixes below it."""
        import obstore

        self._count(1)
        found = self._ask(
            lambda: obstore.list_with_delimiter(self._store, prefix or None), "listed"
        )
        return [_stored(each) for each in found["objects"]], found["common_prefixes"]

    def head(self, key: str) -> StoredObject:
        """What the store says of one object."""
        import obstore

        self._count(1)
        return self._ask(lambda: _stored(obstore.head(self._store, key)), "read")

    def get(self, stored: StoredObject, start: int, length: int) -> bytes:
        """A part of an object, which begins within it; an error if it was stored anew."""
        import obstore

        self._count(1)
        options: GetOptions = {"range": (start, start + length), "if_match": stored.etag}

        def found() -> bytes:
            return bytes(obstore.get(self._store, stored.key, options=options).bytes())

        return self._ask(found, "read")

    def put(self, key: str, data: bytes | Iterable[bytes], size: int) -> None:
        """Store an object as a whole: until all of it is there, readers have the one before."""
        import obstore

        self._count(1 if size <= PART else -(-size // PART) + 2)
        if size <= PART:
            whole = data if isinstance(data, bytes) else b"".join(data)
            self._ask(lambda: obstore.put(self._store, key, whole, use_multipart=False), "stored")
        else:
            self._ask(
                lambda: obstore.put(self._store, key, data, chunk_size=PART, max_concurrency=4),
                "stored",
            )

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        import obstore

        self._count(1)

        def delete() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, key)

        self._ask(delete, "deleted")

    def _count(self, requests: int) -> None:
        with self._lock:
            self._requests += requests

    def _ask(self, ask: Callable[[], _Answer], verb: str) -> _Answer:
        with _in_words(self._scheme, verb):
            return _interruptible(ask)


@contextmanager
def _in_words(scheme: str, verb: str) -> Iterator[None]:
    """Turns what obstore raises into a reason that a person can act on.

    ``verb`` says what was to be done: "read" with an object, "listed" with a prefix.
    """
    from obstore.exceptions import BaseError, InvalidPathError, PreconditionError

    try:
        yield
    except InvalidPathError as error:
        key = _KEY_IN_ERROR.search(str(error))
        named = f", {safe_text(key[1])}" if key else ""
        raise UnusableKeyError(f"an object whose name is no path{named}") from error
    except PreconditionError as error:
        raise FileError("was stored anew while it was read") from error
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise AwayError(_REASONS["NoSuchBucket"]) from error
        raise FileError(MISSING) from error
    except (BaseError, OSError) as error:
        raise _fault(str(error), scheme, verb) from error
    except ValueError as error:  # before anything was asked
        raise FileError(_NO_KEY) from error


def _interruptible(ask: Callable[[], _Answer]) -> _Answer:
    """An answer of obstore, which lets no ctrl+c through: so the main thread only waits for it."""
    if threading.current_thread() is not threading.main_thread():
        return ask()
    answer: Future[_Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=work, name="traintop-bucket", daemon=True).start()
    return answer.result()


def side_by_side(ask: Callable[[_Job], _Answer], jobs: Sequence[_Job]) -> list[_Answer]:
    """The answers to some questions, many of which are asked at once. ``ask`` raises nothing.

    The threads keep no program from ending, as those of an executor do.
    """
    if len(jobs) <= 1:
        return [ask(job) for job in jobs]
    waiting = list(enumerate(jobs))[::-1]
    answers: dict[int, _Answer] = {}

    def work() -> None:
        with suppress(IndexError):
            while True:
                number, job = waiting.pop()
                answers[number] = ask(job)

    threads = [
        threading.Thread(target=work, name="traintop-bucket", daemon=True)
        for _ in range(min(_AT_ONCE, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(jobs))]


def _stored(meta: ObjectMeta) -> StoredObject:
    etag = meta["e_tag"] or meta["version"] or meta["last_modified"].isoformat()
    return StoredObject(meta["path"], meta["size"], etag, meta["last_modified"])


# ---------------------------------------------------------------------------------- what is wrong


def _fault(said: str, scheme: str, verb: str) -> FileError:
    """What is wrong, of one object or of the bucket, given what obstore says.

    A store that answers for one object is there, whatever it answers; unless the credentials are
    at fault. One that has no room for what is to be stored may have none for others either.
    """
    code, status = _found(_CODE, said), _found(_STATUS, said)
    is_of_all = code in _REASONS or status in ("", "401") or _ASKED_FOR_CREDENTIALS.search(said)
    if not is_of_all and status == "403":
        return DeniedError(_REASONS_OF_ONE.get(code, f"cannot be {verb}: {_DENIED}"))
    reason = _reason(said, scheme)
    if not is_of_all and verb == "read":
        return FileError(_REASONS_OF_ONE.get(code, f"cannot be read: the store {reason}"))
    return AwayError(reason)


def _reason(said: str, scheme: str) -> str:
    """What is wrong and what to do, given what obstore says."""
    if _ASKED_FOR_CREDENTIALS.search(said):
        return _NO_CREDENTIALS[scheme]
    code, status = _found(_CODE, said), _found(_STATUS, said)
    if code in _REASONS:
        return _REASONS[code]
    if status in _STATUSES:
        return _STATUSES[status]
    if status:
        return f"answers {status}{f' ({code})' if code else ''}"
    if "Received redirect" in said:
        return "is in another region: set AWS_REGION"
    if "builder error" in said:
        return f"cannot be asked this way: see {_endpoint_variable(scheme)}"
    if "error sending request" in said or "operation timed out" in said:
        return f"does not answer: see the network, and {_endpoint_variable(scheme)}"
    if "body error" in said:
        return "the connection broke in the middle of an answer"
    if "invalid list response" in said:
        return f"answers with something else than a listing: see {_endpoint_variable(scheme)}"
    return _line(said)


def _found(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.search(said)
    return found[1] if found else ""


def _line(said: object) -> str:
    first = str(said).partition("\n")[0]
    return safe_text(re.sub(r"^Generic \w+ error: ", "", first), _LONGEST_REASON)


# ------------------------------------------------------------------------------------ the address


def _store_of(place: str, scheme: str, name: str) -> S3Store | GCSStore | AzureStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError:
        raise ValueError(f"{place}: {_INSTALL}") from None
    endpoint = os.environ.get(_endpoint_variable(scheme), "")
    try:
        if scheme == "s3":
            profile = aws_profile(place)
            profile["endpoint"] = endpoint = endpoint or profile.get("endpoint", "")
            given: Any = {name: value for name, value in profile.items() if value}
            return S3Store(name, client_options=_client(endpoint), retry_config=_RETRIES, **given)
        if scheme == "gs":
            return GCSStore(name, client_options=_client(endpoint), retry_config=_RETRIES)
        if os.environ.get("AZURE_STORAGE_USE_EMULATOR"):
            endpoint = "http://127.0.0.1"
        return AzureStore(name, client_options=_client(endpoint), retry_config=_RETRIES)
    except BaseError as error:
        reason = _line(error)
        if "Account must be specified" in reason:
            reason = "set AZURE_STORAGE_ACCOUNT_NAME"
        raise ValueError(f"{place}: {reason}") from error


def _endpoint_variable(scheme: str) -> str:
    """The variable that says where the store is, or may say it."""
    names = _ENDPOINTS[scheme]
    return next((name for name in names if os.environ.get(name)), names[-1])


def _client(endpoint: str) -> ClientConfig:
    """Without encryption only where the person's own endpoint says so."""
    return {**_CLIENT, "allow_http": endpoint.startswith("http://")}
