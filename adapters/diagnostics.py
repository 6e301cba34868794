"""What a run leaves for whoever looks into it: a bundle of all that it was given, said and raised, to run it again.

A bundle is a folder at any location (see ``storage``):

    <url>/<name of the run>/
        source/...        the files that count as the source of what was run
        *.json            what it was given, under the names that the unit's kind has for it
        <...>/...         input files, if they were copied
        events.ndjson     all that the run said, see ``events``
        questions.json    what it asked others, with their answers, if it asked
        run.json          which run that was, where, how it ended, and what is installed there

``run.json`` is written last, so a bundle without it is half-written. Whatever is written is free of passwords in
addresses, of signatures of signed ones, and of the values of credentials; the environment is not in it. Saving never
stands in the way of what the run has to say: if it fails, that is a warning.

What this module does not do: run a bundle again. That is up to the unit's kind.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fairlead.adapters import events, storage
from fairlead.adapters.errors import Cancelled, FairleadError, InputInvalid, Problem, StorageFailed, replay_command
from fairlead.adapters.fingerprint import source_files

if TYPE_CHECKING:
    from fairlead.adapters.host import Host
    from fairlead.adapters.isolation.protocol import Isolation
    from fairlead.adapters.unit import Description, Unit

VERSION = 1
RECORD, EVENTS, QUESTIONS, SOURCE = "run.json", "events.ndjson", "questions.json", "source"
_LIMITS = ("silence_limit", "on_silence", "output_limit")
_AT_ONCE = 8
_SHORTEST_SECRET = 6
_PASSWORD = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@:\"']*:[^\s/@\"']+@")
_SIGNATURE = re.compile(
    r"\b(https?://[^\s?#\"'<>]+)\?[^\s\"'<>]*?(?:signature|credential|accesskeyid|token|\bsig)=[^\s\"'<>]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Diagnostics:
    """A wish for bundles."""

    url: str
    """The folder below which each run gets one, a path or URL."""
    when: Literal["crash", "always"] = "crash"
    """Whether runs that end well, and inputs that break the contract, get one too."""
    copy_datasets: bool = False
    """Whether input files are copied; otherwise the bundle says where they were."""

    def __post_init__(self) -> None:
        """Check what may have come from a file or a form."""
        problems: list[Problem] = []
        if not self.url or not isinstance(self.url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            problems.append(Problem("diagnostics.url", f"{self.url!r} is no location", "a path or URL", "Give one."))
        if self.when not in {"crash", "always"}:
            remedy = "Choose one of crash, always."
            problems.append(Problem("diagnostics.when", f"{self.when!r} is not known", "", remedy))
        if not isinstance(self.copy_datasets, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            found = f"{self.copy_datasets!r} is neither true nor false"
            problems.append(Problem("diagnostics.copy_datasets", found, "", "Give one of them."))
        if problems:
            raise InputInvalid(problems)
        storage.refuse_secrets(self.url, "diagnostics")
        if storage.is_local(self.url):
            object.__setattr__(self, "url", str(storage.local_path(self.url)))


Wish = Diagnostics | Mapping[str, Any] | str | os.PathLike[str] | None
"""How users ask for bundles: a location, the fields of `Diagnostics` as an object or as JSON text, or those of
``$FAIRLEAD_DIAGNOSTICS`` (None)."""


def requested(wish: Wish) -> Diagnostics | None:
    """Return what a user asks for; without a wish, what ``$FAIRLEAD_DIAGNOSTICS`` says; None if that says nothing.

    Raises `InputInvalid` for a wish that cannot be understood.
    """
    if wish is None:
        wish = os.environ.get("FAIRLEAD_DIAGNOSTICS") or None
    if wish is None or isinstance(wish, Diagnostics):
        return wish
    if isinstance(wish, os.PathLike):
        wish = os.fspath(wish)
    if isinstance(wish, str):
        if not wish.lstrip().startswith("{"):
            return Diagnostics(wish)
        try:
            wish = json.loads(wish)
        except ValueError as error:
            raise InputInvalid(Problem("diagnostics", f"is not JSON: {error}", "", "Correct it there.")) from error
    if not isinstance(wish, Mapping):
        found = f"{wish!r} is neither a location nor an object"
        raise InputInvalid(Problem("diagnostics", found, "a path, a URL or an object with 'url'", "Give one."))
    unknown = sorted(set(wish) - {"url", "when", "copy_datasets"})
    if unknown or "url" not in wish:
        found = f"'{unknown[0]}' is not known" if unknown else "there is no 'url'"
        remedy = 'Give {"url": ..., "when": "always", "copy_datasets": true}, of which only url is needed.'
        raise InputInvalid(Problem("diagnostics", found, "", remedy))
    return Diagnostics(**wish)


@dataclass(frozen=True)
class Ending:
    """One run that is over, as `perform` knows it."""

    unit: Unit
    host: Host
    isolation: Isolation
    fingerprint: str | None
    """None if there was no work, because its inputs were refused."""
    start: float
    """When it began, on the clock of `time.monotonic`."""
    events: Path | None
    """The file to which its events were written."""
    error: BaseException | None


def save(
    wish: Diagnostics, ending: Ending, describe: Callable[[bool], Description], log: Callable[[int, str], None]
) -> str | None:
    """Write a bundle and return where it is; if that fails, ``log`` is told and None returned.

    ``describe`` is asked what the run was given, with whether input files are to be copied. Those of a run that was
    cancelled are not: who cancels is waiting.
    """
    folder: str | None = None
    try:
        description = describe(wish.copy_datasets and not isinstance(ending.error, Cancelled))
        folder = _unused(wish.url, description.name)
        for warning in _Writer(folder, description, ending).write():
            log(logging.WARNING, warning)
    except Exception as error:  # noqa: BLE001 (whatever it is, what the run has to say counts)
        if folder is not None:
            with contextlib.suppress(Exception):
                storage.remove(folder)
        log(logging.WARNING, f"The diagnostics could not be saved below {wish.url}: {error}")
        return None
    log(logging.INFO, f"Diagnostics were saved. To run it again: {replay_command(folder)}")
    return folder


def _unused(url: str, name: str) -> str:
    """Return the folder of a new bundle: a run that is tried again under its name gets one for each try."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    folders = (storage.join(url, name) for name in names)
    return next(folder for folder in folders if not storage.exists(folder))


class _Writer:
    """One bundle, as it is written."""

    def __init__(self, folder: str, description: Description, ending: Ending) -> None:
        self._folder = folder
        self._given = description
        self._ending = ending
        self._scrub = Scrubber(description.secrets)
        self._names: list[str] = []
        self._warnings: list[str] = []

    def write(self) -> list[str]:
        """Write all of it, and return what there is to be warned of."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # Without the list, nobody would ask the tasks for their errors.
            if self._given.source is not None and self._given.source.is_dir():
                list(pool.map(self._copy_source, source_files(self._given.source)))
            list(pool.map(self._copy_input, self._given.files.items()))
        for name, data in self._given.documents.items():
            self._put(name, _json(self._scrub.data(data)))
        asked: list[dict[str, Any]] = []
        if self._ending.events is not None:
            self._put(EVENTS, b"".join(self._events(asked)))
        if asked:
            self._put(QUESTIONS, _json(asked))
        self._put(RECORD, _json(self._record()))
        return self._warnings

    def _put(self, name: str, data: bytes) -> None:
        storage.write_bytes(storage.join(self._folder, name), data)
        self._names.append(name)

    def _copy_source(self, file: tuple[str, str]) -> None:
        name = f"{SOURCE}/{file[0]}"
        storage.put(Path(file[1]), storage.join(self._folder, name))
        self._names.append(name)

    def _copy_input(self, file: tuple[str, tuple[str, str]]) -> None:
        name, (location, digest) = file
        shown = self._scrub.text(location)
        with contextlib.ExitStack() as stack:
            try:
                if storage.is_local(location):
                    path = storage.local_path(location)
                else:
                    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fairlead-copy-"))) / "file"
                    storage.fetch(location, path)
                found = storage.digest_local(path)
            except (OSError, StorageFailed) as error:  # the app may have removed it; the rest is worth having
                self._warnings.append(
                    f"{shown} could not be copied into the diagnostics: {self._scrub.text(str(error))}"
                )
                return
            if found != digest:
                self._warnings.append(f"{shown} has changed since the run began, and was copied as it is now.")
            storage.put(path, storage.join(self._folder, name))
        self._names.append(name)

    def _events(self, asked: list[dict[str, Any]]) -> Iterator[bytes]:
        """Yield the lines of the run's log, and collect the questions among them."""
        assert self._ending.events is not None
        for line in self._ending.events.read_bytes().splitlines(keepends=True):
            try:
                event = events.decode(line)
            except ValueError:
                continue  # the end of a line that a full disk cut off
            if event["kind"] == "question":
                event = self._scrub.data(event)
                known = {"id": event["child"], **event["question"]}
                asked.append(known | {"key": event["child"], "events": event["messages"]})
            yield events.encode(event) if event["kind"] == "question" else self._scrub.line(line)

    def _record(self) -> dict[str, Any]:
        unit, host, error = self._ending.unit, self._ending.host, self._ending.error
        isolation, start, given = self._ending.isolation, self._ending.start, self._given
        now = time.time()
        return {
            "version": VERSION,
            "unit": {"kind": unit.kind, "name": unit.name},
            "run": {"id": host.run_id, "attempt": host.attempt},
            "fingerprint": self._ending.fingerprint,
            "started": _when(now - (time.monotonic() - start)),
            "ended": _when(now),
            "isolation": isolation.name,
            "limits": {
                "timeout": None if host.deadline is None else host.deadline - start,
                **{name: getattr(isolation, name) for name in _LIMITS if hasattr(isolation, name)},
            },
            "error": None if error is None else self._scrub.data(described(error)),
            "copied": bool(given.files),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": installed(),
            "files": sorted(self._names),
            **given.facts,
        }


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def described(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON data; without the places that are this machine's."""
    if isinstance(error, FairleadError):
        return {key: value for key, value in error.to_dict().items() if key not in {"log", "diagnostics"}}
    return {"type": events.qualified_name(type(error)), "message": events.message_of(error)}


def installed() -> dict[str, str]:
    """Return the version of every package that is installed here, by its normalised name."""
    import importlib.metadata

    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name: str | None = distribution.metadata["Name"]
        if name:  # a package that was half removed has none
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))


class Scrubber:
    """Takes out of texts what nobody should read there: passwords and signatures in addresses, and credentials."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Take out the values of ``secrets``, too, and put their names there; very short ones are left alone."""
        self._secrets = [(value, f"<{name}>") for name, value in secrets.items() if len(value) >= _SHORTEST_SECRET]
        self._secrets.sort(key=lambda secret: -len(secret[0]))  # one may begin with another
        self._needles = [b"://", *(json.dumps(value)[1:-1].encode() for value, _ in self._secrets)]

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for value, name in self._secrets:
            text = text.replace(value, name)
        if "://" in text:
            text = _SIGNATURE.sub(r"\1", _PASSWORD.sub(r"\1", text))
        return text

    def data(self, data: Any) -> Any:
        """Return JSON data with all texts in it scrubbed; keys stay as they are."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {key: self.data(item) for key, item in data.items()}
        if isinstance(data, list | tuple):
            return [self.data(item) for item in data]
        return data

    def line(self, line: bytes) -> bytes:
        """Return a line of JSON with all texts in it scrubbed."""
        if not any(needle in line for needle in self._needles):
            return line
        return json.dumps(self.data(json.loads(line)), separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Bundle:
    """A bundle that was fetched."""

    url: str
    folder: Path
    record: Mapping[str, Any]
    """What is in ``run.json``; empty if there is none."""


def fetch(url: str, folder: Path, *, whole: bool = True) -> Bundle:
    """Copy a bundle into a local folder.

    Args:
        url: where it is.
        folder: where it is copied to; made if it is not there.
        whole: whether a bundle without ``run.json`` is refused, as one that is half-written.

    Raises:
        InputInvalid: it is no bundle, or not a whole one.
        StorageFailed: it cannot be read.
    """
    try:
        names = storage.walk(url)
    except OSError as error:
        raise StorageFailed(f"{url}: cannot be read: {error.strerror or error}.", remedy="Check the place.") from error
    if not names:
        remedy = "Check the address: that of one run is expected, as the run's error tells it."
        raise InputInvalid(Problem(url, "nothing is there", "a folder of diagnostics", remedy))
    if RECORD not in names:
        runs = sorted(name.removesuffix(f"/{RECORD}") for name in names if name.endswith(f"/{RECORD}"))
        if runs:
            found = f"it holds the diagnostics of {len(runs)} run{'s' if runs[1:] else ''}"
            remedy = f"Name one: {storage.join(url, runs[-1])}."
            raise InputInvalid(Problem(url, found, "the diagnostics of one run", remedy))
        if whole:
            found = f"{RECORD} is missing, which is written last: it is half-written, or was not written by fairlead"
            remedy = "To run what is there all the same, say with --app which app to run."
            raise InputInvalid(Problem(url, found, "the diagnostics of one run", remedy))
    for name in names:
        if ".." in name.split("/"):
            raise InputInvalid(Problem(url, f"the name '{name}' leads out of it", "", "Do not trust its origin."))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(storage.fetch, [storage.join(url, name) for name in names], [folder / name for name in names]))
    if RECORD not in names:
        return Bundle(url, folder, {})
    record = _read_record(url, folder / RECORD)
    missing = sorted(set(record["files"]) - set(names))
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        found = f"{missing[0]}{more} of it is missing"
        raise InputInvalid(Problem(url, found, f"all that {RECORD} lists", "Copy it whole."))
    return Bundle(url, folder, record)


def _read_record(url: str, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
        newer = record["version"] > VERSION
        if not newer and not ({"unit", "run", "ended", "error", "limits", "files"} <= record.keys()):
            raise ValueError("something that every record has is missing")  # noqa: TRY301 (told as all that is wrong)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        found = f"cannot be read: {error!r}"
        raise InputInvalid(Problem(storage.join(url, RECORD), found, "", "Fetch the bundle again.")) from error
    if newer:
        found = f"is of format {record['version']}, and this version reads {VERSION}"
        raise InputInvalid(Problem(storage.join(url, RECORD), found, "", "Install a newer fairlead."))
    return dict(record)
