"""Objects in a store: what a store knows of them beside their content, and addresses by which anybody may read them.

What all stores do alike is in ``storage``; here is what S3 and Google Storage add: metadata kept with an object, its
checksum, and signed addresses. Where a store does not keep metadata, or has no room for them, they go into the
``.octue`` file beside the object: see ``metadata``. It does not know of datasets.
"""

import binascii
import os
import re

from fairlead.adapters.twine.exceptions import (
    CloudLocationNotSpecified,
    CloudStorageBucketNotFound,
    InvalidInputException,
    ReadOnlyResource,
)
from fairlead.adapters.twine.resources import metadata as stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from typing import Any

    from fairlead.adapters.twine.resources.metadata import Described

_S3 = ("s3://", "s3a://")
_GOOGLE = ("gs://", "gcs://")
_LIMITS = {_S3: 2_000, _GOOGLE: 8_000}
"""Bytes of metadata that a store keeps with an object."""
_ELSEWHERE = {f"{stored.NAMESPACE}sidecar": "true"}
"""What is kept with an object whose metadata have no room there."""
_OURS = (*(stored.NAMESPACE + field for field in ("id", "timestamp", "tags", "labels", "sdk_version")), *_ELSEWHERE)
_KEPT = (
    *("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl", "Expires"),
    *("StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "WebsiteRedirectLocation"),
)
"""What S3 keeps of an object in a copy only if it is told so."""
_HEADER = re.compile(r"x-(?:goog|amz)-meta-(.+)")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_BLOCK = 1 << 20


class StoredObject:
    """One object: its ``name`` in the folder that was listed, and what the store told of it without being asked more.

    ``modified`` is in seconds since the epoch; ``md5`` is hexadecimal, ``crc32c`` base64. What was not told is None.
    """

    __slots__ = ("crc32c", "md5", "metadata", "modified", "name", "size")

    def __init__(self, name: str, facts: "Mapping[str, Any]") -> None:
        """Read what the store's package says, each in its own words."""
        self.name = name
        size = facts.get("size", facts.get("ContentLength"))
        self.size: int | None = None if size is None else int(size)
        modified = facts.get("LastModified") or facts.get("mtime")
        self.modified: float | None = None if modified is None else modified.timestamp()
        tag = _MD5.fullmatch(str(facts.get("ETag", "")))
        google = facts.get("md5Hash")
        self.md5: str | None = tag[1] if tag else binascii.a2b_base64(google).hex() if google else None
        self.crc32c: str | None = facts.get("crc32c") or facts.get("ChecksumCRC32C")
        metadata = facts.get("metadata", facts.get("Metadata"))
        if metadata is None and "generation" in facts:  # Google Storage tells all it has
            metadata = {}
        # Emulators tell also of those that have been removed.
        present = None if metadata is None else {key: value for key, value in metadata.items() if value is not None}
        self.metadata: Mapping[str, str] | None = present

    def record(self) -> "dict[str, Any] | None":
        """Return what is known of the file, as far as it is with the object."""
        record = stored.from_object(self.metadata or {})
        return None if self.is_elsewhere else record or None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the object says that the file's record is beside it."""
        return not (self.metadata or {}).keys().isdisjoint(_ELSEWHERE)


def is_url(location: str) -> bool:
    """Tell whether a location is a web address, which can only be read."""
    return location.startswith(("http://", "https://"))


def has_metadata(location: str) -> bool:
    """Tell whether a store keeps metadata with objects at all."""
    return location.startswith((*_S3, *_GOOGLE))


def is_dated(location: str) -> bool:
    """Tell whether a store lists objects without their metadata, so that times tell what is newer."""
    return location.startswith(_S3)


def _kept(location: str, record: "Mapping[str, Any]") -> "tuple[dict[str, str], bool]":
    """Return the metadata to keep with an object, and whether they are the whole record."""
    kept = stored.to_object(record)
    size = sum(len(name) + len(value) for name, value in kept.items())
    if any(location.startswith(schemes) and size <= limit for schemes, limit in _LIMITS.items()):
        return kept, True
    return (_ELSEWHERE if has_metadata(location) else {}), False


def send(path: str, location: str, record: "Mapping[str, Any] | None", *, beside: bool) -> None:
    """Copy a file of this machine to a place, with its record, in one request.

    A record that cannot go with the object is stored ``beside`` it, or left to the caller. Without a record, an object
    that is there already keeps its metadata, for which it is asked first.
    """
    from fairlead.adapters import storage

    kept: Mapping[str, str]
    if record is not None:
        kept, is_whole = _kept(location, record)
    else:
        found = look_up(location) if has_metadata(location) else None
        kept, is_whole = (found.metadata if found and found.metadata else {}), True
    try:
        storage.put(storage.local_path(path), location, kept)
    except FileNotFoundError as error:
        if not has_metadata(location) or not os.path.exists(path):
            raise
        raise _no_bucket(location) from error
    if record is not None and not is_whole and beside:
        stored.update_file(location, record)


def set_record(location: str, record: "Mapping[str, Any]") -> None:
    """Store the record of an object that is there, leaving its content; raises FileNotFoundError."""
    kept, is_whole = _kept(location, record)
    if kept:
        set_metadata(location, kept)
    if not is_whole:
        stored.update_file(location, record)


def keep_record(location: str, record: "Mapping[str, Any]") -> None:
    """Store of a record what has room with the object, if the store keeps anything there."""
    kept, _ = _kept(location, record)
    if kept:
        set_metadata(location, kept)


def has_content(found: "StoredObject | None", path: str) -> bool:
    """Tell whether an object is known to have the content of a file on this machine."""
    if found is None or found.md5 is None or found.size != os.path.getsize(path):
        return False
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == found.md5


def objects(folder: str) -> "dict[str, StoredObject]":
    """Return all objects below a folder by their names in it, in order.

    Raises `InvalidInputException` for a name that leads out of it, as ``a/../../b`` does.
    """
    from fairlead.adapters import storage

    def find(fs: "Any", path: str) -> "dict[str, StoredObject]":
        fs.invalidate_cache(path)
        prefix = path.rstrip("/") + "/"
        found: dict[str, Any] = fs.find(path, detail=True)
        names = sorted(name for name in found if name.startswith(prefix) and not name.endswith("/"))
        return {name[len(prefix) :]: StoredObject(name[len(prefix) :], found[name]) for name in names}

    try:
        listed = storage.on_store(folder, find)
    except FileNotFoundError as error:
        if not has_metadata(folder):  # a folder that is not there, where there are folders
            return {}
        raise _no_bucket(folder) from error
    for name in listed:
        refuse_escape(name, folder)
    return listed


def _no_bucket(location: str) -> CloudStorageBucketNotFound:
    return CloudStorageBucketNotFound(f"{location}: there is no such bucket; check the address, or make the bucket")


def refuse_escape(name: str, folder: str) -> None:
    """Raise `InvalidInputException` unless a name, as a path in a folder, leads to something below that folder."""
    if name.startswith("/") or ".." in name.split("/"):
        msg = f"'{name}' leads out of the dataset {folder}; rename it, or give a path inside the dataset"
        raise InvalidInputException(msg)


def refuse_cut_name(location: str) -> None:
    """Raise `InvalidInputException` for a name whose end a store's package takes for the version of an object."""
    if not has_metadata(location) or not {"?", "#"} & set(location):
        return
    from fairlead.adapters import storage

    key = storage.on_store(location, lambda fs, path: str(fs.split_path(path)[1]))
    if not location.endswith(f"/{key}"):
        rest = location.rpartition(key)[2]
        msg = f"'{location}' cannot be stored: its end '{rest}' means a version of an object; rename the file"
        raise InvalidInputException(msg)


def look_up(location: str) -> "StoredObject | None":
    """Return what a store knows of one object, in one request; None if it is not there."""
    from fairlead.adapters import storage

    def ask(fs: "Any", path: str) -> "Mapping[str, Any]":
        if location.startswith(_S3):
            bucket, key, _ = fs.split_path(path)
            facts: Mapping[str, Any] = fs.call_s3("head_object", Bucket=bucket, Key=key)
            return facts
        fs.invalidate_cache(path)
        return fs.info(path)  # type: ignore[no-any-return]  # fsspec has no types

    try:
        facts = storage.on_store(location, ask)
    except FileNotFoundError:
        return None
    return None if facts.get("type") == "directory" else StoredObject(location.rpartition("/")[2], facts)


def look_up_address(address: str) -> "StoredObject":
    """Return what a store says of an object that is asked for by a signed address, without its content.

    Such an address may allow nothing but to get the object, so that is begun. Raises `InvalidInputException`.
    """
    import urllib.request

    from fairlead.adapters import storage

    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 (a web address)
            headers = {name.lower(): value for name, value in answer.headers.items()}
    except OSError as error:
        msg = (
            f"{storage.plain_url(address)}, a file of a signed dataset, cannot be read: {error}; sign the dataset again"
        )
        raise InvalidInputException(msg) from error
    checksum = re.search(r"crc32c=([^,]+)", headers.get("x-goog-hash", ""))
    facts = {
        "size": headers.get("content-length"),
        "crc32c": checksum and checksum[1],
        "metadata": {said[1]: value for name, value in headers.items() if (said := _HEADER.fullmatch(name))},
    }
    return StoredObject(address, facts)


def set_metadata(location: str, metadata: "Mapping[str, str]") -> None:
    """Set the metadata of an object that are ours, leaving others and its content; raises FileNotFoundError."""
    from fairlead.adapters import storage

    def put(fs: "Any", path: str) -> None:
        if location.startswith(_GOOGLE):
            fs.setxattrs(path, **{**dict.fromkeys(_OURS), **metadata})  # None removes
            return
        bucket, key, _ = fs.split_path(path)
        facts = fs.call_s3("head_object", Bucket=bucket, Key=key)
        fs.call_s3(  # S3 changes metadata only with a copy of the object onto itself, which does not leave the store
            "copy_object",
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": bucket, "Key": key},
            Metadata={
                **{name: value for name, value in facts.get("Metadata", {}).items() if name not in _OURS},
                **metadata,
            },
            MetadataDirective="REPLACE",
            **{name: facts[name] for name in _KEPT if facts.get(name)},
        )

    storage.on_store(location, put)


def writable(location: "str | None", resource: "Described") -> str:
    """Return where a resource is to be stored.

    Raises `CloudLocationNotSpecified` if that is nowhere, `ReadOnlyResource` if it is a web address.
    """
    from fairlead.adapters import storage

    if location is None:
        msg = f"{resource!r} has no cloud path; upload it to one, e.g. 's3://bucket/{resource.name}'"
        raise CloudLocationNotSpecified(msg)
    if is_url(location):
        place = storage.plain_url(location)
        msg = f"{resource!r} cannot be stored at {place}: a web address is read-only; upload it to another cloud path"
        raise ReadOnlyResource(msg)
    return location


def signed(location: str, expiration: "dt.datetime | dt.timedelta") -> str:
    """Return a web address by which anybody may read an object until it expires; a datetime without zone is UTC.

    Raises `InvalidInputException` if the store has no such addresses, or if the time has passed already.
    """
    import datetime as dt

    from fairlead.adapters import storage

    if isinstance(expiration, dt.datetime):
        moment = expiration if expiration.tzinfo else expiration.replace(tzinfo=dt.UTC)
        expiration = moment - dt.datetime.now(dt.UTC)
    seconds = int(expiration.total_seconds())
    if seconds < 1:
        msg = f"a signed URL for {location} would have expired already; give an expiration in the future"
        raise InvalidInputException(msg)

    def sign(fs: "Any", path: str) -> str | None:
        try:
            return str(fs.sign(path, expiration=seconds))
        except NotImplementedError:
            return None

    url = storage.on_store(location, sign)
    if url is None:
        msg = f"{location}: '{location.partition(':')[0]}' storage has no signed URLs; s3:// and gs:// have"
        raise InvalidInputException(msg)
    return url
