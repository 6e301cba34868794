"""Calls the adapters as users do; checked by mypy and pyright, never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from fairlead.adapters.cache import Entry, ResultCache
from fairlead.adapters.diagnostics import Diagnostics, requested
from fairlead.adapters.errors import ContractError, FairleadError, Problem
from fairlead.adapters.fingerprint import fingerprint
from fairlead.adapters.host import Host
from fairlead.adapters.isolation import ChildProcess, InProcess, Isolation, named
from fairlead.adapters.perform import Outcome, perform
from fairlead.adapters.storage import StoredFile
from fairlead.adapters.testing import RecordingHost
from fairlead.adapters.twine import Datafile, Dataset, Manifest, Twine, TwineApp
from fairlead.adapters.twine.children import Child, ChildEmulator, children_from_data
from fairlead.adapters.twine.resources.filter_containers import FilterDict, FilterList, FilterSet
from fairlead.adapters.unit import Unit, Work
from fairlead.adapters.values import Blob, Codec, Packed, ValueStore, identity, pack, register, unpack

app = TwineApp(Path("apps/yield"), configuration_values={"method": "fast"})
unit: Unit = app
work: Work = unit.bind({"input_values": "values.json", "input_manifest": Manifest({"weather": "data/weather"})})
assert_type(fingerprint(work.identity), str)

host: Host = RecordingHost(timeout=60)
isolations: list[Isolation] = [ChildProcess(silence_limit=60, on_silence="stop"), InProcess(), named("process")]
cache = ResultCache("s3://bucket/results")
outcome = perform(app, {"input_values": {"height": 90}}, host, cache=cache, isolation=isolations[0], refresh=True)
assert_type(outcome, Outcome)
wish = requested({"url": "s3://bucket/left", "when": "always"})
assert_type(wish, Diagnostics | None)
perform(app, {}, host, cache=cache, isolation=isolations[0], diagnostics=Diagnostics("left", copy_datasets=True))
assert_type(outcome.outputs, Mapping[str, Any])
assert_type(outcome.files, tuple[StoredFile, ...])
assert_type(cache.lookup(outcome.fingerprint), Entry | None)

dataset = Dataset("data/weather", labels=["hourly"])
assert_type(dataset.files.one(), Datafile)
assert_type(dataset.files.filter(name__ends_with=".csv", tags__height__gt=80), FilterSet[Datafile])
assert_type(dataset.files.order_by("tags__sequence", check_start_value=0), FilterList[Datafile])
assert_type(FilterDict({1: dataset.files.one()}).one(), tuple[int, Datafile])
with dataset.files.one().open("rb") as stream:
    stream.read()
Twine("twine.json").requires("input_values")

child = Child("octue/wind:1.0.0", {"name": "local", "app": "apps/wind"})
answers = child.ask_multiple({"input_values": {"height": 90}}, max_retries=2, prevent_retries_when=[ValueError])
assert_type(answers, list[Any])
emulator: Child = ChildEmulator(messages=[{"type": "result", "output_values": 1, "output_manifest": None}])
output_values, question_uuid = emulator.ask(handle_monitor_message=print)
assert_type(children_from_data({"wind": "apps/wind", "site": emulator}), dict[str, Child])

error: FairleadError = ContractError([Problem("input_values.height", "is missing")])
assert_type(error.retryable, bool)


class SiteCodec:
    name = "acme.site"
    types = ("acme.sites:Site",)

    def pack(self, value: Any) -> Any:
        return Blob(bytes(value), "site")

    def unpack(self, parts: Any) -> Any:
        return parts


codec: Codec = SiteCodec()
register(SiteCodec())
packed = pack({"site": (1, 2)}, "result")
assert_type(packed, Packed)
contents: Mapping[str, bytes] = {}
unpack(packed.data, contents.__getitem__)
store = ValueStore(Path("results"), inline_limit=1024)
store.get(store.put(identity(packed)))
