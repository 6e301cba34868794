"""Manifest: the datasets that go into, or come out of, an app.

It holds datasets by key, and gives them and takes them as JSON, from a file or a store. It does not check them against
a twine: see ``manifests``.
"""

import json
import os
import threading

from fairlead.adapters.twine.exceptions import InvalidInputException
from fairlead.adapters.twine.resources.dataset import Dataset
from fairlead.adapters.twine.resources.mixins import Hashable, Identifiable, Metadata, Serialisable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

_moving = threading.Lock()
"""Held while paths of datasets change: threads that ask several children share one manifest."""


class Manifest(Serialisable, Identifiable, Hashable, Metadata):
    """Datasets by key."""

    _METADATA_ATTRIBUTES = ("id",)

    def __init__(
        self,
        datasets: "Mapping[str, Dataset | Mapping[str, Any] | str | os.PathLike[str]] | None" = None,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
        ignore_stored_metadata: bool = False,  # noqa: FBT001, FBT002 (Octue's)
    ) -> None:
        """Hold datasets; descriptions and folders are made into them, with what is stored about them unless ignored."""
        super().__init__(id=id, name=name)
        self._ignore_stored_metadata = ignore_stored_metadata
        if datasets is not None and not hasattr(datasets, "items"):
            msg = f"{datasets!r} are no datasets; give them by key: {{'name': 'folder'}}"
            raise InvalidInputException(msg)
        self.datasets = {key: self._dataset(key, dataset) for key, dataset in (datasets or {}).items()}

    @classmethod
    def from_description(cls, described: "Mapping[str, Any]") -> "Self":
        """Make a manifest of what `to_description` has returned; nothing is looked up."""
        self = cls(id=described.get("id"), name=described.get("name"))
        self.datasets = {key: Dataset.from_description(one) for key, one in described["datasets"].items()}
        return self

    @classmethod
    def from_file(cls, path: "str | os.PathLike[str]") -> "Self":
        """Read a manifest from a JSON file on this machine."""
        return cls.from_cloud(os.fspath(path))

    @classmethod
    def from_cloud(cls, cloud_path: str, ignore_stored_metadata: bool = False) -> "Self":  # noqa: FBT001, FBT002 (Octue's)
        """Read a manifest from a JSON file in a store; raises `InvalidInputException` if it holds none."""
        from fairlead.adapters import storage

        try:
            data = json.loads(storage.read_bytes(cloud_path))
            datasets, identifier, name = dict(data["datasets"]), data.get("id"), data.get("name")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{cloud_path} is no manifest, which is a JSON object with 'datasets': {type(error).__name__} {error}"
            raise InvalidInputException(msg) from error
        return cls(datasets, identifier, name, ignore_stored_metadata)

    def __repr__(self) -> str:
        """Show the keys."""
        return f"<Manifest({', '.join(self.datasets)})>"

    @property
    def all_datasets_are_in_cloud(self) -> bool:
        """Whether every file of every dataset has a URL."""
        return all(dataset.all_files_are_in_cloud for dataset in self.datasets.values())

    def get_dataset(self, key: str) -> Dataset:
        """Return a dataset; raises `InvalidInputException` that names the keys there are."""
        if key not in self.datasets:
            msg = f"Attempted to fetch unknown dataset {key!r} from Manifest. Allowable keys are: {[*self.datasets]}"
            raise InvalidInputException(msg)
        return self.datasets[key]

    def prepare(self, data: "Mapping[str, Any]") -> "Self":
        """Add an empty dataset, in a folder of its name, for each that a twine's manifest strand declares."""
        if self.datasets:
            msg = "You cannot `prepare()` a manifest already instantiated with datasets; begin with Manifest()"
            raise InvalidInputException(msg)
        for key in data["datasets"]:
            self.datasets[key] = Dataset(path=key, ignore_stored_metadata=self._ignore_stored_metadata)
        return self

    def download(
        self,
        paths: "Mapping[str, str | os.PathLike[str]] | None" = None,
        download_all: bool = True,  # noqa: FBT001, FBT002 (Octue's)
    ) -> "dict[str, str]":
        """Fetch datasets, each into its folder in ``paths`` or else a temporary one, and return the folders by key.

        Only those in ``paths`` if ``download_all`` is False. Datasets on this machine stay where they are. Temporary
        folders are left to the caller.
        """
        import tempfile

        targets = dict(paths or {})
        for key in targets:
            self.get_dataset(key)
        done: dict[str, str] = {}
        for key, dataset in self.datasets.items():
            if key not in targets and not download_all:
                continue
            if dataset.exists_locally:
                done[key] = dataset.path
                continue
            done[key] = os.path.abspath(targets[key] if key in targets else tempfile.mkdtemp(prefix=f"{dataset.name}-"))
            dataset.download(done[key])
        return done

    def to_cloud(self, cloud_path: str) -> None:
        """Write the manifest to a JSON file in a store; its datasets stay where they are."""
        from fairlead.adapters import storage

        storage.write_bytes(cloud_path, self.serialise().encode())

    def update_dataset_paths(self, path_generator: "Callable[[Dataset], str]") -> None:
        """Give each dataset the path that a function returns for it; one thread at a time."""
        with _moving:
            for dataset in self.datasets.values():
                dataset.path = path_generator(dataset)

    def use_signed_urls_for_datasets(self) -> None:
        """Give datasets in a store signed URLs as paths; those here and at web addresses stay as they are."""
        self.update_dataset_paths(
            lambda dataset: dataset.generate_signed_url() if dataset.exists_in_cloud else dataset.path
        )

    def to_primitive(self) -> "dict[str, Any]":
        """Return Octue's JSON form, in which a dataset is its path, or its description if it was made of files."""
        datasets = {
            key: dataset.to_primitive() if dataset.is_of_files else dataset.path
            for key, dataset in self.datasets.items()
        }
        return {"id": self.id, "name": self.name, "datasets": datasets}

    def to_description(self) -> "dict[str, Any]":
        """Return all that makes the manifest again elsewhere, with every file described; see `from_description`."""
        datasets = {key: dataset.to_description() for key, dataset in self.datasets.items()}
        return {"id": self.id, "name": self.name, "datasets": datasets}

    def _dataset(self, key: str, dataset: "Any") -> Dataset:
        if isinstance(dataset, Dataset):
            return dataset
        ignore = self._ignore_stored_metadata
        if isinstance(dataset, str | os.PathLike):
            return Dataset(dataset, ignore_stored_metadata=ignore)
        if not hasattr(dataset, "keys"):
            msg = f"datasets.{key}: {dataset!r} is no dataset; give a path, a Dataset, or an object with 'path'"
            raise InvalidInputException(msg)
        fields = ("path", "files", "id", "name", "tags", "labels", "recursive")
        given = {field: dataset[field] for field in fields if field in dataset}
        made = Dataset(**given, ignore_stored_metadata=ignore)
        if given.get("path") is not None and made.is_of_files:
            _refuse_outside(made, f"datasets.{key}")
        return made

    def _calculate_hash(self) -> "str | None":
        from fairlead.adapters.twine.resources import hashing

        return hashing.hash_of_value(self.datasets)


def _refuse_outside(dataset: Dataset, place: str) -> None:
    """Raise `InvalidInputException` for a file that is said to be in a dataset's folder and leads out of it.

    Also if the folder is not whole.
    """
    from fairlead.adapters.twine.manifests import leading_out
    from fairlead.adapters.twine.resources import cloud, listing, metadata

    locations = [location for file in dataset.files for location in (file.local_copy, file.cloud_path) if location]
    for location in leading_out(sorted(locations), dataset.path):
        msg = (
            f"{place}: {location} leads out of the dataset {dataset.path}; leave the dataset's 'path' out, or move the "
            "file into it"
        )
        raise InvalidInputException(msg)
    if not cloud.is_url(dataset.path):
        listing.refuse_unfinished(metadata.read(dataset.path), dataset.path)
