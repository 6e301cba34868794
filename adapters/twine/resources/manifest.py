"""Manifest: the datasets that go into, or come out of, an app."""

import os
import uuid
from collections.abc import Mapping

from fairlead.adapters.twine.resources.dataset import Dataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Manifest:
    """Datasets by key."""

    def __init__(
        self,
        datasets: "Mapping[str, Dataset | Mapping[str, Any] | str] | None" = None,
        *,
        id: "str | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
    ) -> None:
        """Hold datasets; descriptions and folders are made into them."""
        self.id = str(uuid.UUID(id)) if id else str(uuid.uuid4())
        self.name = name
        self.datasets = {key: _dataset(dataset) for key, dataset in (datasets or {}).items()}

    def __repr__(self) -> str:
        """Show the keys."""
        return f"<Manifest({', '.join(self.datasets)})>"

    def get_dataset(self, key: str) -> Dataset:
        """Return a dataset; raises KeyError that names the keys there are."""
        if key not in self.datasets:
            msg = f"the manifest has no dataset '{key}'; it has {', '.join(sorted(self.datasets)) or 'none'}"
            raise KeyError(msg)
        return self.datasets[key]

    def to_primitive(self) -> "dict[str, Any]":
        """Return the description as JSON data."""
        datasets = {key: dataset.to_primitive() for key, dataset in self.datasets.items()}
        return {"id": self.id, "name": self.name, "datasets": datasets}


def _dataset(dataset: "Dataset | Mapping[str, Any] | str | os.PathLike[str]") -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, str | os.PathLike):
        return Dataset(dataset)
    fields = ("path", "files", "id", "name", "tags", "labels")
    return Dataset(**{field: dataset[field] for field in fields if field in dataset})
