"""Copy a built site into a folder of versions, as the version selector of the theme reads it.

    python docs/generate.py && zensical build --strict && python docs/publish.py 0.3 ../pages

writes `../pages/0.3/`, adds the version to `../pages/versions.json` and lets `../pages/index.html`
lead to it. Serve that folder, such as a branch of GitHub Pages.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

SITE = Path(__file__).parents[1] / ".site"


def publish(version: str, target: Path, site: Path = SITE) -> list[dict[str, object]]:
    """Return the versions of the folder, the newest first, after `version` was added."""
    shutil.copytree(site, target / version, dirs_exist_ok=True)
    listing = target / "versions.json"
    earlier = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else []
    versions = [entry for entry in earlier if entry["version"] != version]
    versions.append({"version": version, "title": version, "aliases": []})
    versions.sort(key=lambda entry: _numbers(entry["version"]), reverse=True)
    listing.write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
    newest = versions[0]["version"]
    redirect = f'<!doctype html><meta http-equiv="refresh" content="0; url={newest}/">\n'
    (target / "index.html").write_text(redirect, encoding="utf-8")
    return versions


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    publish(sys.argv[1], Path(sys.argv[2]))
