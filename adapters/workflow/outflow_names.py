"""Which of our modules stand for those of Outflow: a table, read by ``fairlead.adapters.compat``.

It has the names of ``outflow`` 0.9.2 and those that only its documents have. What is the inside of Outflow, such as how
it sends work to its workers, has no place here.
"""

_OURS = "fairlead.adapters.workflow."
_TESTING = "fairlead.adapters.testing."


def _names(**modules: str) -> dict[str, str]:
    return {name: f"{_OURS}{module}" for name, module in modules.items()}


_EXCEPTIONS: dict[str, str] = dict.fromkeys(
    (
        "ContextArgumentException",
        "ExitPipeline",
        "IOCheckerError",
        "TaskException",
        "TaskWithKwargsException",
        "exit_pipeline",
    ),
    f"{_OURS}exceptions",
)
_LIBRARY_TASKS: dict[str, str] = dict.fromkeys(
    (
        "ExecuteShellScripts",
        "IPythonTask",
        "IdentityTask",
        "IfElse",
        "IfThenElse",
        "InteractiveTask",
        "LoopWorkflow",
        "MapWorkflow",
        "MergeTask",
        "PipelineArgs",
        "PopenTask",
        "Sleep",
    ),
    f"{_OURS}library",
)
_MAPS: dict[str, str] = dict.fromkeys(
    ("BaseMapWorkflow", "MapWorkflow", "ParallelMapWorkflow", "SequentialMapWorkflow", "SlurmMapWorkflow"),
    f"{_OURS}library",
)
_TEST_CASES: dict[str, str] = {
    **dict.fromkeys(("CommandTestCase", "TaskTestCase", "with_pipeline_context_manager"), f"{_TESTING}pipelines"),
    **dict.fromkeys(
        ("DatabaseCommandTestCase", "PostgresCommandTestCase", "postgresql_fixture"), f"{_TESTING}database_pipelines"
    ),
}
_TABLES = f"{_OURS}records.tables"
_MANAGEMENT = f"{_OURS}commands.management"

MODULES: dict[str, str | dict[str, str]] = {
    "outflow": _names(Command="commands.command"),
    "outflow.__main__": f"{_OURS}pipeline.__main__",
    "outflow.core": _names(exit_pipeline="exceptions"),
    "outflow.core.block": f"{_OURS}block",
    "outflow.core.commands": _names(
        Command="commands.command", RootCommand="commands.root", argument="commands.command"
    ),
    "outflow.core.commands.argument": _names(argument="commands.command"),
    "outflow.core.commands.command": f"{_OURS}commands.command",
    "outflow.core.commands.root_command": f"{_OURS}commands.root",
    "outflow.core.db": _names(Databases="records.databases", Model="records.models"),
    "outflow.core.db.database": f"{_OURS}records.databases",
    "outflow.core.exceptions": _EXCEPTIONS,
    "outflow.core.exceptions.exit_pipeline": _names(ExitPipeline="exceptions", exit_pipeline="exceptions"),
    "outflow.core.exceptions.iochecker": _names(IOCheckerError="exceptions"),
    "outflow.core.exceptions.tasks": _names(
        ContextArgumentException="exceptions", TaskException="exceptions", TaskWithKwargsException="exceptions"
    ),
    "outflow.core.generic": {},
    "outflow.core.generic.string": _names(to_camel_case="naming", to_snake_case="naming"),
    "outflow.core.logging": f"{_OURS}pipeline.logging",
    "outflow.core.pipeline": _names(
        Config="pipeline.configuration",
        Pipeline="pipeline.pipeline",
        PipelineContext="pipeline.scope",
        Settings="pipeline.settings_modules",
        config="pipeline.scope",
        context="pipeline.scope",
        settings="pipeline.scope",
    ),
    "outflow.core.pipeline.context_manager": _names(PipelineContextManager="pipeline.scope")
    | {"with_pipeline_context_manager": f"{_TESTING}pipelines"},
    "outflow.core.pipeline.default_settings": f"{_OURS}pipeline.default_settings",
    "outflow.core.pipeline.lazy_config": _names(Config="pipeline.configuration"),
    "outflow.core.pipeline.lazy_context": _names(PipelineContext="pipeline.scope"),
    "outflow.core.pipeline.lazy_settings": _names(Settings="pipeline.settings_modules"),
    "outflow.core.pipeline.pipeline": f"{_OURS}pipeline.pipeline",
    "outflow.core.target": _names(Target="targets", TargetException="exceptions"),
    "outflow.core.tasks": _names(Task="task", as_task="task"),
    "outflow.core.tasks.task": f"{_OURS}task",
    "outflow.core.test": _TEST_CASES,
    "outflow.core.test.test_cases": _TEST_CASES,
    "outflow.core.types": _names(Parameter="types", Skipped="types"),
    "outflow.core.workflow": _names(Workflow="workflow", as_workflow="workflow"),
    "outflow.core.workflow.workflow": f"{_OURS}workflow",
    "outflow.library": {},
    "outflow.library.tasks": _LIBRARY_TASKS,
    "outflow.library.tasks.control_flow_tasks": dict.fromkeys(
        ("IdentityTask", "IfThenElse", "MergeTask"), f"{_OURS}branches"
    ),
    "outflow.library.tasks.pipeline_args": _names(PipelineArgs="library"),
    "outflow.library.tasks.shell_tasks": dict.fromkeys(
        ("ExecuteShellScripts", "IPythonTask", "IdentityTask", "PopenTask"), f"{_OURS}library"
    ),
    "outflow.library.workflow": _MAPS,
    "outflow.library.workflows": _MAPS | _names(IterativeWorkflow="loops", LoopWorkflow="loops"),
    "outflow.library.workflows.base_map_workflow": _names(BaseMapWorkflow="library"),
    "outflow.library.workflows.generic_map_workflow": _names(MapWorkflow="library"),
    "outflow.library.workflows.iterative_workflow": _names(IterativeWorkflow="loops"),
    "outflow.library.workflows.loop_workflow": _names(LoopWorkflow="loops"),
    "outflow.library.workflows.parallel_map_workflow": _names(ParallelMapWorkflow="library"),
    "outflow.library.workflows.sequential_map_workflow": _names(SequentialMapWorkflow="library"),
    "outflow.management": {},
    "outflow.management.commands": _MANAGEMENT,
    "outflow.management.commands.create": f"{_MANAGEMENT}.create",
    "outflow.management.commands.db": f"{_MANAGEMENT}.databases",
    "outflow.management.commands.management": f"{_MANAGEMENT}.management",
    "outflow.management.models": {},
    "outflow.management.models.block": dict.fromkeys(("Block", "BlockTypeEnum", "Edge"), _TABLES),
    "outflow.management.models.configuration": {"Configuration": _TABLES},
    "outflow.management.models.edge": {"Edge": _TABLES},
    "outflow.management.models.mixins": {"StateEnum": _TABLES},
    "outflow.management.models.run": {"Run": _TABLES},
    "outflow.management.models.runtime_exception": {"RuntimeException": _TABLES},
    "outflow.slurm": _names(SlurmMapWorkflow="library"),
    "outflow.slurm.map_workflow": _names(SlurmMapWorkflow="library"),
}
"""See ``fairlead.adapters.compat.finder``."""

_ENGINES = "Engines are chosen by --backend, or run(backend=...); one of your own is named in the setting BACKENDS."
_MODEL = "Use 'outflow.core.db.Model' with 'context.session'."
_STATES = "Workers get the pipeline's context by themselves."
_RUNNER = "Workflows are run by 'fairlead.adapters.workflow.run', which also checks them."


def _absent(module: str, hint: str, names: str) -> dict[str, str]:
    return {f"{module}.{name}": hint for name in names.split()}


ABSENT: dict[str, str] = {
    "outflow.core.backends": _ENGINES,
    "outflow.core.block.NoDefault": "Leave the default out.",
    "outflow.core.block.get_plugin_name": "Tasks have it: Task.plugin_name.",
    "outflow.core.db.BaseModel": _MODEL,
    "outflow.core.db.alembic": "Use the commands 'management db'.",
    "outflow.core.db.database.DatabaseException": "Catch 'fairlead.adapters.errors.FairleadError'.",
    "outflow.core.db.database.connect": _MODEL,
    "outflow.core.db.database.get_database_labels": "Use list(Databases(config).keys()).",
    "outflow.core.db.declarative_base_model": _MODEL,
    "outflow.core.db.handlers": _MODEL,
    "outflow.core.db.make_declarative_base": _MODEL,
    "outflow.core.db.non_null_column": "Use sqlalchemy.Column(nullable=False).",
    "outflow.core.db.skip_if_untracked": "Ask 'context.db_untracked'.",
    "outflow.core.generic": "It is the inside of Outflow.",
    "outflow.core.logging.LogRecordSocketReceiver": "Records of workers come by themselves.",
    "outflow.core.logging.LogRecordStreamHandler": "Records of workers come by themselves.",
    "outflow.core.logging.OutflowFileFormatter": "Use the formatter 'file'.",
    "outflow.core.logging.OutflowFormatter": "Use the formatter 'console'.",
    "outflow.core.logging.RotatingFileHandlerPerUser": "Use logging.handlers.RotatingFileHandler.",
    "outflow.core.logging.default_config": "Use DEFAULT_LOGGING, which is there.",
    "outflow.core.logging.set_plugins_loggers_config": "Plugins' loggers are set up by the pipeline.",
    "outflow.core.pipeline.context_manager.ReadWriteContextManager": "Use PipelineContextManager.",
    "outflow.core.pipeline.get_pipeline_states": _STATES,
    "outflow.core.pipeline.lazy_config.DictLikeMixin": "Config is a mapping.",
    "outflow.core.pipeline.lazy_config.ENVIRONMENT_VARIABLE": "It is OUTFLOW_CONFIG_PATH.",
    "outflow.core.pipeline.lazy_settings.ENVIRONMENT_VARIABLE": "It is OUTFLOW_SETTINGS_MODULE.",
    "outflow.core.pipeline.pipeline.get_pipeline_states": _STATES,
    "outflow.core.pipeline.pipeline.set_pipeline_state": _STATES,
    "outflow.core.pipeline.set_pipeline_state": _STATES,
    "outflow.core.plugin": "Plugins are packages that the setting PLUGINS names; there is nothing to call.",
    "outflow.core.product": "Outflow's documents do not describe it; keep files by a task's outputs.",
    "outflow.core.target.NoDefault": "Leave the default out.",
    "outflow.core.tasks.BlockRunner": _RUNNER,
    "outflow.core.tasks.block_runner": _RUNNER,
    "outflow.core.tasks.io_checker": "Use 'Workflow.check'.",
    "outflow.core.types.IterateOn": "Use MapWorkflow(map_on={'sequence': 'input inside'}).",
    "outflow.core.types.outputs_type_factory": "It is the inside of Outflow.",
    "outflow.core.workflow.WorkflowCache": "Results are kept in the result cache: 'fairlead.adapters.cache'.",
    "outflow.core.workflow.WorkflowManager": "Use 'with Workflow():'.",
    "outflow.core.workflow.workflow_cache": "Results are kept in the result cache: 'fairlead.adapters.cache'.",
    "outflow.core.workflow.workflow_manager": "Use 'with Workflow():'.",
    "outflow.library.tasks.control_flow_tasks.ConditionalTask": "Use IfThenElse.",
    "outflow.library.tasks.control_flow_tasks.ElseTask": "Use IfThenElse.",
    "outflow.library.tasks.control_flow_tasks.IfTask": "Use IfThenElse.",
    "outflow.library.tasks.control_flow_tasks.ThenTask": "Use IfThenElse.",
    "outflow.library.workflows.base_map_workflow.IterateOn": "Use MapWorkflow(map_on={'sequence': 'input inside'}).",
    "outflow.library.workflows.base_map_workflow.SigTerm": "It is the inside of Outflow.",
    "outflow.library.workflows.generic_map_workflow.as_workflow": "Use 'MapWorkflow.as_workflow'.",
    "outflow.library.workflows.generic_map_workflow.determine_map_class": _ENGINES,
    "outflow.library.workflows.generic_map_workflow.lazy_map_type_helper": _ENGINES,
    **_absent(
        "outflow.management.commands",
        "Use the module that it is from.",
        "Block Command IPythonTask Pipeline Plugin RootCommand Run RuntimeException argument as_task",
    ),
    **_absent(
        "outflow.management.commands",
        "Use the commands 'management'.",
        "alembic create_from_template downgrade generate_alembic_ini_file get_alembic_config make_writeable migrate "
        "render upgrade",
    ),
    **_absent(
        "outflow.management.commands.create",
        "Use the commands 'management'.",
        "create_from_template make_writeable render",
    ),
    **_absent(
        "outflow.management.commands.db",
        "Use the commands 'management'.",
        "alembic downgrade generate_alembic_ini_file get_alembic_config migrate upgrade",
    ),
    "outflow.management.entrypoint": "Use 'fairlead outflow FOLDER COMMAND'.",
    "outflow.management.models.block.Executable": "Run, Block and their states are there.",
    "outflow.management.models.mixins.Executable": "Run, Block and their states are there.",
    "outflow.management.models.run.Executable": "Run, Block and their states are there.",
    "outflow.slurm.backend": _ENGINES,
    "outflow.slurm.remote_runner": _ENGINES,
}
"""Likewise."""
