"""Codecs of files, datasets and manifests: what travels between tasks is where they are, and the digest of each file.

Files stay where they are, and are read and compared with their digests before the next task gets them. In an identity,
names, contents, tags, labels and timestamps count, and neither places nor ids. What it does not do: copy files to where
another machine can read them; a task that needs that uploads them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.adapters import storage
from fairlead.adapters.errors import StorageFailed
from fairlead.adapters.twine.resources import listing
from fairlead.adapters.twine.resources.datafile import Datafile
from fairlead.adapters.twine.resources.dataset import Dataset
from fairlead.adapters.twine.resources.manifest import Manifest
from fairlead.adapters.values import Codec, Unfit
from fairlead.adapters.values.codec import Plain


def _digests(files: Sequence[Mapping[str, Any]], fail: Callable[[str, OSError], Exception]) -> list[str]:
    """Return the digests of described files; several are read at the same time from a store."""

    def digest(location: str) -> str:
        try:
            return storage.digest(location)
        except OSError as error:
            raise fail(storage.plain_url(location), error) from error

    locations = [file["path"] for file in files]
    if all(map(storage.is_local, locations)):
        return list(map(digest, locations))
    return list(listing.at_once(digest, locations))


def _unfit(location: str, error: OSError) -> Unfit:
    found = f"the file {location} cannot be read ({error.strerror or error})"
    return Unfit(found, "a file that is there", "Write it before it is handed on.")


def _gone(location: str, error: OSError) -> StorageFailed:
    remedy = "Run the task again that made it; on another machine, let that task upload it to a store."
    return StorageFailed(f"{location} cannot be read: {error.strerror or error}.", remedy=remedy)


def _check(files: Sequence[Mapping[str, Any]], digests: Sequence[str]) -> None:
    for file, digest, found in zip(files, digests, _digests(files, _gone), strict=True):
        if found != digest:
            location = storage.plain_url(file["path"])
            remedy = "Run the task again that made it, and let nothing write there in between."
            raise StorageFailed(f"{location} has changed since an earlier task handed it on.", remedy=remedy)


def _pack_file(file: Datafile) -> dict[str, Any]:
    described = _plain(file.to_description())
    return {"$file": described, "digest": _digests([described], _unfit)[0]}


def _unpack_file(parts: Mapping[str, Any]) -> Datafile:
    _check([parts["$file"]], [parts["digest"]])
    return Datafile.from_description(parts["$file"])


def _file_identity(file: Datafile) -> dict[str, Any]:
    parts = _pack_file(file)
    return _content(parts["$file"]) | {"name": file.name, "digest": parts["digest"]}


def _pack_dataset(dataset: Dataset) -> dict[str, Any]:
    described = _plain(dataset.to_description())
    described["files"] = [_plain(file) for file in described["files"]]
    return {"$dataset": described, "digests": _digests(described["files"], _unfit)}


def _unpack_dataset(parts: Mapping[str, Any]) -> Dataset:
    _check(parts["$dataset"]["files"], parts["digests"])
    return Dataset.from_description(parts["$dataset"])


def _dataset_identity(dataset: Dataset) -> dict[str, Any]:
    parts = _pack_dataset(dataset)
    described = parts["$dataset"]
    prefix = storage.join(storage.plain_url(described["path"]), "") if described["path"] else ""
    files: dict[str, Any] = {}
    for file, digest in zip(described["files"], parts["digests"], strict=True):
        location = storage.plain_url(file["path"])
        name = location.removeprefix(prefix) if prefix and location.startswith(prefix) else file["name"]
        files.setdefault(name, []).append(_content(file) | {"digest": digest})
    return {field: described[field] for field in ("name", "tags", "labels")} | {"files": files}


def _plain(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with labels that are plain texts."""
    return {**described, "labels": [str(label) for label in described["labels"]]}


def _content(described: Mapping[str, Any]) -> dict[str, Any]:
    return {field: described[field] for field in ("tags", "labels", "timestamp")}


def _pack_manifest(manifest: Manifest) -> dict[str, Any]:
    return {"id": manifest.id, "name": manifest.name, "$datasets": dict(manifest.datasets)}


def _unpack_manifest(parts: Mapping[str, Any]) -> Manifest:
    return Manifest(parts["$datasets"], id=parts["id"], name=parts["name"])


def codecs() -> tuple[Codec, ...]:
    """Return the codecs."""
    return (
        Plain.of("twine.Datafile", Datafile, _pack_file, _unpack_file, _file_identity),
        Plain.of("twine.Dataset", Dataset, _pack_dataset, _unpack_dataset, _dataset_identity),
        Plain.of("twine.Manifest", Manifest, _pack_manifest, _unpack_manifest, lambda manifest: manifest.datasets),
    )
