"""Does with the real octue and twined what tests ask for: tests/peers.py runs this in the environment of peers.

A line of JSON comes in: ``do``, one of the functions at the end, and its arguments. A line goes out: what it returns.
What is seen of a dataset is told by `described`, which tests also use for fairlead's. This program knows nothing of
fairlead.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
import warnings
from typing import Any


def described(dataset: Any) -> dict[str, Any]:
    """Tell what a dataset knows, whoever has made its class."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "tags": dict(dataset.tags),
        "labels": sorted(map(str, dataset.labels)),
        "hash": dataset.hash_value,
        "files": {
            file.name: {
                "id": file.id,
                "tags": dict(file.tags),
                "labels": sorted(map(str, file.labels)),
                "timestamp": file.timestamp and file.timestamp.isoformat(),
                "posix_timestamp": file.posix_timestamp,
                "hash": file.hash_value,
            }
            for file in dataset.files
        },
    }


def write(classes: Any, path: str, files: dict[str, dict[str, Any]], dataset: dict[str, Any]) -> Any:
    """Give a folder of files the metadata that is told, and return the dataset."""
    for name, metadata in files.items():
        classes.Datafile(f"{path}/{name}", **metadata).update_local_metadata()
    written = classes.Dataset(path, **dataset)
    written.update_local_metadata()
    return written


def write_dataset(path: str, files: dict[str, dict[str, Any]], dataset: dict[str, Any]) -> None:
    from octue import resources
    from octue.utils.decoders import OctueJSONDecoder

    write(resources, path, json.loads(json.dumps(files), cls=OctueJSONDecoder), dataset)


def read_dataset(path: str) -> dict[str, Any]:
    from octue.resources import Dataset

    return described(Dataset(path, recursive=True))


def upload_dataset(path: str, cloud_path: str) -> None:
    from octue.resources import Dataset

    Dataset(path, recursive=True).upload(cloud_path)


def sign_dataset(cloud_path: str) -> str:
    from octue.resources import Dataset

    return Dataset(cloud_path, recursive=True).generate_signed_url()


def write_manifest(datasets: dict[str, Any], **metadata: Any) -> str:
    from octue.resources import Dataset, Manifest

    # Text for a folder; a list of paths for a dataset that is made of files.
    made = {key: Dataset(**value) if isinstance(value, dict) else value for key, value in datasets.items()}
    return Manifest(datasets=made, **metadata).serialise()


def read_manifest(text: str) -> dict[str, Any]:
    from octue.resources import Manifest

    manifest = Manifest(**json.loads(text))
    datasets = {key: described(dataset) for key, dataset in manifest.datasets.items()}
    return {"id": manifest.id, "name": manifest.name, "hash": manifest.hash_value, "datasets": datasets}


def hash_of(value: Any) -> str:
    from octue.mixins.hashable import Hashable

    return Hashable.hash_non_class_object(value)


def time_opening(path: str) -> float:
    """Return the seconds that it takes to know the tags of all files."""
    from octue.resources import Dataset

    start = time.perf_counter()
    numbers = [file.tags["number"] for file in Dataset(path).files]
    seconds = time.perf_counter() - start
    assert sorted(numbers) == list(range(len(numbers)))
    return seconds


def time_validation(schema: dict[str, Any], value: Any, times: int) -> float:
    """Return the seconds that so many validations of a value take."""
    from twined import Twine

    twine = Twine(source=json.dumps({"input_values_schema": schema}))
    start = time.perf_counter()
    for _ in range(times):
        twine.validate_input_values(source=value)
    return time.perf_counter() - start


def main() -> None:
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            question = json.loads(line)
            os.environ.update(question.pop("environment"))
            try:
                answer = {"result": globals()[question.pop("do")](**question)}
            except Exception:  # noqa: BLE001 (told to the test)
                answer = {"error": traceback.format_exc()}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
