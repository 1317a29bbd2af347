from __future__ import annotations

import json
import re
import shutil

import pytest

from elson.bootstrap import ROOT
from elson.tests.test_settings import PRODUCTION, manage


@pytest.mark.slow
def test_production_collects_hashed_files_and_rewrites_module_imports(tmp_path):
    done = manage(
        "collectstatic", "--noinput", "--ignore", "rest_framework", "--ignore", "admin",
        ELSON_STATE_DIR=str(tmp_path), **PRODUCTION,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    collected = tmp_path / "static"
    paths = json.loads((collected / "staticfiles.json").read_text())["paths"]
    own = [path.relative_to(ROOT / "static") for path in (ROOT / "static" / "js").rglob("*.js")]
    assert {str(path) for path in own} <= set(paths)
    for name in map(str, own):
        text = (collected / paths[name]).read_text(encoding="utf-8")
        for imported in re.findall(r"^\s*(?:import|export)[^;]*?[\"'](\.[^\"']+)[\"']", text, re.M):
            assert re.search(r"\.[0-9a-f]{12}\.m?js$", imported), f"{name} imports {imported}"
    shutil.rmtree(collected)
