"""Which of our modules stand for those of Octue's packages: a table, read by ``fairlead.adapters.compat``.

It has the names of both dialects, of ``octue`` 0.38.1 with ``twined`` 0.5.1, and of ``octue`` 0.69.1 with its
``octue.twined``. What has no place in a program that runs under Airflow or Prefect is not there: how Octue deploys to
Google's cloud, and how its services talk to each other.
"""

_OURS = "fairlead.adapters.twine."

_TWINED: dict[str, str] = dict.fromkeys(("ALL_STRANDS", "MANIFEST_STRANDS", "SCHEMA_STRANDS", "Twine"), "twined")
_MIXINS: dict[str, str] = dict.fromkeys(
    ("Filterable", "Hashable", "Identifiable", "Labelable", "Metadata", "Serialisable", "Taggable"),
    "resources.mixins",
)
_TWINED_EXCEPTIONS: dict[str, str] = dict.fromkeys(
    (
        "ConfigurationManifestFileNotFound",
        "ConfigurationValuesFileNotFound",
        "CredentialNotFound",
        "FolderNotFound",
        "InputManifestFileNotFound",
        "InputValuesFileNotFound",
        "InvalidManifest",
        "InvalidManifestContents",
        "InvalidManifestJson",
        "InvalidManifestType",
        "InvalidSourceKindException",
        "InvalidTwine",
        "InvalidTwineContents",
        "InvalidTwineJson",
        "InvalidValues",
        "InvalidValuesContents",
        "InvalidValuesJson",
        "NotImplementedYet",
        "OutputManifestFileNotFound",
        "OutputValuesFileNotFound",
        "StrandNotFound",
        "TwineException",
        "TwineFileNotFound",
        "TwineTypeException",
        "TwineValueException",
        "TwineVersionConflict",
        "UnexpectedNumberOfResults",
        "UnknownStrand",
    ),
    "twined.exceptions",
)

_EXCEPTIONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "BackendNotFound",
            "BrokenSequenceException",
            "CloudLocationNotSpecified",
            "CloudStorageBucketNotFound",
            "DeploymentError",
            "FileNotFoundException",
            "InvalidInputException",
            "InvalidLabelException",
            "InvalidMonitorMessage",
            "InvalidTagException",
            "OctueSDKException",
            "ProtectedAttributeException",
            "QuestionNotDelivered",
            "ReadOnlyResource",
            "ServiceAlreadyExists",
            "ServiceNotFound",
            "UnexpectedNumberOfResultsException",
        ),
        "exceptions",
    ),
    **dict.fromkeys(
        (
            "AttributeConflict",
            "FileLocationError",
            "FolderNotFoundException",
            "InvalidFilePointerException",
            "InvalidManifestException",
            "InvalidManifestTypeException",
            "InvalidOctueFileTypeException",
            "InvalidServiceID",
            "ManifestNotFoundException",
            "MissingServiceID",
            "NotAPullSubscription",
            "NotImplementedYetException",
            "PushSubscriptionCannotBePulled",
        ),
        "toolkit.exceptions",
    ),
}

_MODULES: dict[str, str | dict[str, str]] = {
    "octue": {"Runner": "runner", "apply_log_handler": "log_handlers"},
    "octue.cloud": {},
    "octue.cloud.emulators": {"ChildEmulator": "children.emulator"},
    "octue.cloud.emulators.child": "children.emulator",
    "octue.configuration": "configuration",
    "octue.definitions": "toolkit.definitions",
    "octue.essentials": {},
    "octue.essentials.monitor_messages": "monitor_messages",
    "octue.exceptions": _EXCEPTIONS,
    "octue.log_handlers": "log_handlers",
    "octue.mixins": _MIXINS,
    **{f"octue.mixins.{name.lower()}": module for name, module in _MIXINS.items()},
    "octue.resources": {
        "Analysis": "analysis",
        "Child": "children.child",
        "Datafile": "resources.datafile",
        "Dataset": "resources.dataset",
        "Manifest": "resources.manifest",
    },
    "octue.resources.analysis": "analysis",
    "octue.resources.child": "children.child",
    "octue.resources.datafile": "resources.datafile",
    "octue.resources.dataset": "resources.dataset",
    "octue.resources.filter_containers": "resources.filter_containers",
    "octue.resources.label": "resources.label",
    "octue.resources.manifest": "resources.manifest",
    "octue.resources.tag": "resources.tag",
    "octue.runner": "runner",
    "octue.twined": _TWINED,
    "octue.twined.cloud": {},
    "octue.twined.cloud.emulators": {"ChildEmulator": "children.emulator"},
    "octue.twined.cloud.emulators.child": "children.emulator",
    "octue.twined.configuration": "configuration",
    "octue.twined.definitions": "toolkit.definitions",
    "octue.twined.essentials": {},
    "octue.twined.essentials.monitor_messages": "monitor_messages",
    "octue.twined.exceptions": _EXCEPTIONS | _TWINED_EXCEPTIONS,
    "octue.twined.log_handlers": "log_handlers",
    "octue.twined.resources": {"Analysis": "analysis", "Child": "children.child"},
    "octue.twined.resources.analysis": "analysis",
    "octue.twined.resources.child": "children.child",
    "octue.twined.runner": "runner",
    "octue.twined.twine": _TWINED,
    "octue.twined.utils": {"TwinedEncoder": "toolkit.json_coders"},
    "octue.twined.utils.encoders": "toolkit.json_coders",
    "octue.twined.utils.testing": {"load_test_fixture_from_diagnostics": "diagnostics"},
    "octue.utils": {"gen_uuid": "toolkit.values", "isfile": "toolkit.files", "isfolder": "toolkit.files"},
    "octue.utils.decoders": "toolkit.json_coders",
    "octue.utils.dictionaries": "toolkit.values",
    "octue.utils.encoders": "toolkit.json_coders",
    "octue.utils.exceptions": "toolkit.exceptions",
    "octue.utils.files": "toolkit.files",
    "octue.utils.isfile": {"isfile": "toolkit.files"},
    "octue.utils.isfolder": {"isfolder": "toolkit.files"},
    "octue.utils.objects": "toolkit.values",
    "octue.utils.patches": "toolkit.values",
    "octue.utils.processes": "toolkit.processes",
    "octue.utils.testing": {"load_test_fixture_from_diagnostics": "diagnostics"},
    "octue.utils.threads": "toolkit.processes",
    "octue.utils.time": "toolkit.values",
    "twined": _TWINED,
    "twined.exceptions": "twined.exceptions",
    "twined.twine": _TWINED,
    "twined.utils": {"TwinedEncoder": "toolkit.json_coders"},
    "twined.utils.encoders": "toolkit.json_coders",
}

MODULES: dict[str, str | dict[str, str]] = {
    served: _OURS + entry if isinstance(entry, str) else {name: _OURS + module for name, module in entry.items()}
    for served, entry in _MODULES.items()
}
"""See ``fairlead.adapters.compat.finder``."""

_CHILDREN = "Questions are asked by 'Child' and answered by apps, or by 'ChildEmulator'; hosts are Airflow and Prefect."
_STORES = "Datafile, Dataset and Manifest take locations in any store; for anything else use 'fsspec'."
_BACKENDS = "Give 'Child' its backend as an object with its name."
_LOGS = "Hosts show the log of an app; no handler is put in place by itself."
_FOLDER = "Give 'Runner' the app's folder."
_SUFFIX = "Use 'str.removesuffix'."
_ONE_STRAND = "It names one strand only."

ABSENT: dict[str, str] = {
    "octue.cli": "Use the command 'fairlead'.",
    "octue.cloud": _CHILDREN,
    "octue.cloud.create_exceptions_mapping": "Import it from 'octue.utils.exceptions'.",
    "octue.cloud.emulators.child.ServicePatcher": "'ChildEmulator' needs no patches.",
    "octue.cloud.storage": _STORES,
    "octue.compatibility": "Questions are not bound to versions of an SDK.",
    "octue.log_handlers.get_log_record_attributes_for_environment": _LOGS,
    "octue.log_handlers.get_remote_handler": _LOGS,
    "octue.log_handlers.should_use_octue_log_handler": _LOGS,
    "octue.mixins.CloudPathable": _STORES,
    "octue.mixins.CoolNameable": "Use a package for names, such as 'coolname'.",
    "octue.mixins.MixinBase": "The mixins need no common base.",
    "octue.mixins.base": "The mixins need no common base.",
    "octue.mixins.cloud_pathable": _STORES,
    "octue.mixins.cool_nameable": "Use a package for names, such as 'coolname'.",
    "octue.mixins.filterable.generate_complementary_filters": "Filters are those of 'filter_containers'.",
    "octue.resources.datafile.calculate_file_hash": "Use 'Datafile.hash_value'.",
    "octue.resources.service_backends": _BACKENDS,
    "octue.runner.AnalysisLogHandlerSwitcher": "Give 'Runner.run' an 'analysis_log_handler'.",
    "octue.runner.AppFrom": _FOLDER,
    "octue.should_use_octue_log_handler": _LOGS,
    "octue.twined.CHILDREN_STRANDS": _ONE_STRAND,
    "octue.twined.CREDENTIAL_STRANDS": _ONE_STRAND,
    "octue.twined.app_loading": _FOLDER,
    "octue.twined.cloud": _CHILDREN,
    "octue.twined.cloud.create_exceptions_mapping": "Import it from 'octue.utils.exceptions'.",
    "octue.twined.compatibility": "Questions are not bound to versions of an SDK.",
    "octue.twined.diagnostics": "Hosts save diagnostics, and 'fairlead replay' runs them again.",
    "octue.twined.log_handlers.AnalysisLogFormatterSwitcher": _LOGS,
    "octue.twined.resources.example": "Write an app, and ask it as a child.",
    "octue.twined.resources.service_backends": _BACKENDS,
    "octue.twined.utils.load_json": "Use 'json.load'.",
    "octue.twined.utils.strings": _SUFFIX,
    "octue.twined.utils.trim_suffix": _SUFFIX,
    "octue.utils.colour": "Use a package for colours, such as 'rich'.",
    "octue.utils.folders": "The files of strands are named as they are given.",
    "octue.utils.gen_uuid.gen_uuid": "Import it from 'octue.utils'.",
    "octue.utils.metadata": "Datafile and Dataset read and write their metadata.",
    "octue.utils.persistence": "Use 'shutil.disk_usage' and 'os.scandir'.",
    "twined.CHILDREN_STRANDS": _ONE_STRAND,
    "twined.CREDENTIAL_STRANDS": _ONE_STRAND,
    "twined.utils.load_json": "Use 'json.load'.",
    "twined.utils.strings": _SUFFIX,
    "twined.utils.trim_suffix": _SUFFIX,
}
"""Likewise."""
