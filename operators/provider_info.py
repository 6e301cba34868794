"""What Airflow is told about this provider when it looks for providers.

Airflow calls it while its own configuration is half read, so nothing is imported here.
"""

from __future__ import annotations


def get_provider_info() -> dict[str, object]:
    """Return the provider's metadata, as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        # Airflow refuses every provider of a deployment unless this is the distribution's own name.
        "package-name": "fairlead",
        "name": "fairlead",
        "description": "Runs Octue twine apps and workflows of tasks, with a result cache that other hosts share.",
        "integrations": [
            {
                "integration-name": "Twine apps",
                "external-doc-url": "https://octue-python-sdk.readthedocs.io/",
                "tags": ["software"],
            },
            {
                "integration-name": "Workflows",
                "external-doc-url": "https://docs.outflow.dev",
                "tags": ["software"],
            },
        ],
        "operators": [
            {"integration-name": "Twine apps", "python-modules": ["fairlead.operators.twine"]},
            {"integration-name": "Workflows", "python-modules": ["fairlead.operators.workflow"]},
        ],
    }
