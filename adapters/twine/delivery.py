"""Output datasets, put where an app or its users want them, besides the result cache.

The result cache holds the files of a result under names that nobody types. A delivery copies a dataset to a place of
its own. Below an output location that is a folder named by the digest of the result's files: so a result that is found
in the cache, or comes again after a failure, is delivered to the same place, and what is there already is not sent
again. An app that uploads its datasets itself chooses the place; a result from the cache is brought back there if
somebody has removed it. This module does not decide what a result is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.twine.resources import Dataset


@dataclass(frozen=True)
class Delivery:
    """Where a dataset goes."""

    location: str
    """A folder or URL."""
    signed: bool = False
    """Whether the dataset's path becomes a signed URL, which lets anybody read it for a week."""

    def deliver(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Copy a dataset there, as far as it is not there yet, and return its description as it is there."""
        dataset = Dataset.from_description(described)
        dataset.upload(self.location)
        if self.signed and dataset.exists_in_cloud:
            dataset.path = dataset.generate_signed_url()
        return dataset.to_description()
