"""Running again what was saved of a failed run: what is different this time, the run itself, and how the two compare.

The run goes the one way of every run, with a result cache of its own that is gone afterwards: nothing of it is found by
others. It is under the limits that held then, because a run that was stopped by one of them ends by it again. What this
module does not do: decide what a bundle means, which its unit's kind does.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.adapters.cache import ResultCache
from fairlead.adapters.cli.output_folder import refuse_source, write_outputs
from fairlead.adapters.cli.report import show_replay, show_verdict
from fairlead.adapters.cli.terminal import TerminalHost, output_to_stderr, own_records
from fairlead.adapters.diagnostics import SOURCE, Scrubber, described, fetch, installed
from fairlead.adapters.errors import Cancelled, FairleadError
from fairlead.adapters.fingerprint import source_tree
from fairlead.adapters.isolation import NAMES, named
from fairlead.adapters.isolation.process_tree import Guard
from fairlead.adapters.perform import perform
from fairlead.adapters.twine.children import plain_children
from fairlead.adapters.twine.diagnostics import RecordedApp, changed_source, key_of

if TYPE_CHECKING:
    from fairlead.adapters.isolation import Isolation
    from fairlead.adapters.perform import Outcome

_MOST_NAMED = 12
_MOST_LINES = 20


def replayed(
    url: str,
    app: str | None,
    output_dir: Path | None,
    *,
    children: Path | bytes | None,
    debug: bool,
    timeout: float | None,
    on_signal: list[Callable[[], None]],
) -> tuple[Outcome, list[str]]:
    """Run the bundle at a location again, and say what is different and how it ends.

    Args:
        url: where the bundle is.
        app: the folder of an app to run instead of the recorded one.
        output_dir: where the outputs are written, if they are.
        children: who answers what was not asked in the recorded run: the path of a JSON file, or its text.
        debug: run in this process, and open the debugger where the app fails.
        timeout: seconds that it may take; None for as long as it might then.
        on_signal: gets what is to be called when a signal comes.

    Returns:
        the outcome, without what is gone by now, and other files that were found in the output folder's datasets.
    """
    with _guarded_folder() as folder:
        cache = ResultCache(Path(folder, "cache"))
        bundle = fetch(url, Path(folder, "bundle"), whole=app is None)
        record = bundle.record
        unit = RecordedApp(
            bundle,
            app=app,
            children=_without_cache(plain_children(children), cache),
            tell=lambda line: host.log(logging.WARNING, line),
        )
        if app and output_dir:
            refuse_source(output_dir, unit.root)
        seconds = timeout or record.get("limits", {}).get("timeout")
        if debug or seconds == float("inf"):
            seconds = None
        host = TerminalHost(unit.name, timeout=seconds)
        on_signal.append(host.cancel)
        with own_records(host.log):
            differences = _differences(unit, app, seconds)
        show_replay(_summary(unit), differences)
        if debug and (record.get("error") or {}).get("type") == "AppKilled":
            host.log(logging.WARNING, "A signal ended the app's process then; what runs in this one may end it now.")
        try:
            # A bar would be drawn over what is typed in the debugger.
            with contextlib.nullcontext() if debug else host, own_records(host.log), output_to_stderr():
                outcome = perform(unit, {}, host, cache=cache, isolation=_isolation(record, debug=debug))
        except FairleadError as error:
            error.log = None  # it goes with the cache; all that is in it was shown
            if isinstance(error, Cancelled):
                pass
            elif not unit.is_bound and record.get("fingerprint"):
                show_verdict("It could not be replayed: nothing has run, for this reason.", good=False)
            elif record:
                now = Scrubber(unit.secrets()).data(described(error))  # as what was recorded
                show_verdict(compared(record.get("error"), now), good=False)
            raise
        if record:
            show_verdict(compared(record.get("error"), None), good=True)
        strangers = write_outputs(outcome, output_dir) if output_dir else []
    return replace(outcome, log=None, files=outcome.files if output_dir else ()), strangers


@contextlib.contextmanager
def _guarded_folder() -> Generator[str]:
    """Yield a folder that is removed afterwards, also if this process dies in it."""
    with tempfile.TemporaryDirectory(prefix="fairlead-replay-") as folder:
        guard = Guard(folder)
        try:
            yield folder
        finally:
            guard.dismiss()


def _without_cache(children: list[dict[str, Any]], cache: ResultCache) -> list[dict[str, Any]]:
    """Return children that find and leave nothing in the result cache of everybody."""
    for child in children:
        if child["backend"]["name"] == "local":
            child["backend"].setdefault("cache", cache.root)
    return children


def compared(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    """Say how the end of a run compares with the recorded one; each is an error as JSON data, or None if it was well.

    Failures are the same if they are of one kind: the same error, exception, exit status or signal, and rules broken at
    the same places.
    """
    if before is None:
        return "It ends well, as the recorded run did." if now is None else "It fails; the recorded run ended well."
    if now is None:
        return f"The failure is gone: the recorded run ended with {before.get('type')}."
    if _nature(before) != _nature(now):
        return f"It fails in another way: the recorded run ended with {_told(before)}"
    if before.get("message") != now.get("message"):
        return f"It fails in the same way, but in other words: the recorded run ended with {_told(before)}"
    return "It fails in the same way as the recorded run."


def _nature(error: Mapping[str, Any]) -> tuple[Any, ...]:
    places = [problem["where"] for problem in error.get("problems", ())]
    return (*(error.get(key) for key in ("type", "exception", "code", "signal")), places)


def _told(error: Mapping[str, Any]) -> str:
    lines = f"{error.get('type')}: {error.get('message')}".splitlines()
    more = [f"and {len(lines) - _MOST_LINES} more lines"] if lines[_MOST_LINES:] else []
    return "\n".join([*lines[:_MOST_LINES], *more])


def _isolation(record: Mapping[str, Any], *, debug: bool) -> Isolation:
    if debug:
        from fairlead.adapters.cli.debugger import Debugged

        logging.getLogger().setLevel(logging.INFO)  # as in a child process
        return Debugged()
    name = record.get("isolation", "process")
    if name == "thread":
        logging.getLogger().setLevel(logging.INFO)  # as in a child process
    limits = record.get("limits", {})
    chosen = {limit: limits[limit] for limit in ("silence_limit", "on_silence", "output_limit") if limit in limits}
    return named(name if name in NAMES else "process", **chosen)


def _summary(unit: RecordedApp) -> str:
    record = unit.bundle.record
    if not record:
        return f"Running {unit.name} with what is in {unit.bundle.url}, which does not say of which run it is."
    run = record["run"]
    return f"Running {unit.name} again: run {run['id']}, attempt {run['attempt']}, of {record['ended']}"


def _differences(unit: RecordedApp, app: str | None, seconds: float | None) -> dict[str, str]:
    """Return what is to be known of the run before it begins, by its name."""
    record = unit.bundle.record
    facts = {"analysis": str(record["analysis_id"])} if "analysis_id" in record else {}
    if record:
        facts["ended"] = _told(record["error"]) if record["error"] else "well"
    facts["source"] = _source(unit, app)
    if "python" in record:
        same = record["python"] == platform.python_version()
        facts["python"] = platform.python_version() + (", as then" if same else f"; it was {record['python']}")
    if "packages" in record:
        facts["packages"] = _packages(record["packages"], installed())
    if record.get("without_signature"):
        facts["addresses"] = f"{', '.join(record['without_signature'])} without the signatures that they had"
    if unit.questions:
        children = sorted({key_of(question) for question in unit.questions})
        facts["children"] = f"{', '.join(children)}: {len(unit.questions)} recorded answers"
    if unit.children:
        others = ", ".join(child["key"] for child in unit.children)
        facts["not asked then"] = f"{others}: answered by the children that are given"
    if seconds is not None:
        facts["time limit"] = f"{seconds:g} s"
    return facts


def _source(unit: RecordedApp, app: str | None) -> str:
    if app is None:
        changed = unit.bundle.record.get("source") not in {None, source_tree(unit.root)}
        return "as it was at the end of the run; it changed while it ran" if changed else "as then"
    if not unit.bundle.folder.joinpath(SOURCE).is_dir():
        return f"{unit.folder}; that of the recorded run is not known"
    names = changed_source(unit.bundle, unit.root)
    return f"{unit.folder}" + (f", which differs in {_listed(names)}" if names else ", as then")


def _packages(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    changed = [
        f"{name} {now.get(name, 'absent')} (it was {before.get(name, 'absent')})"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return _listed(changed) if changed else "as then"


def _listed(items: list[str]) -> str:
    rest = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
