"""What the documentation shows of Prefect, run in this environment: see tests/documentation.py."""

from __future__ import annotations

import pytest

pytest.importorskip("prefect")

from tests.documentation import API, PAGES, ROOT, blocks, check_api, check_outputs

SHOWN = [page for page in PAGES if any(block.engine == "prefect" for block in blocks(page))]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_runs_prints_what_it_shows(page, tmp_path):
    check_outputs(page, tmp_path, "prefect")


def test_the_api_is_told_as_it_is():
    check_api("fairlead.flows", API["fairlead.flows"])
