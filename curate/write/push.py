"""Puts the kept pairs of a run on the hub: `curate push`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from curate.errors import CurateError
from curate.steps.context import Progress
from curate.write.export import MARK, Target, export

_CARD = "README.md"


@dataclass(frozen=True)
class Upload:
    """What a push sends.

    Attributes:
        repo: owner/name.
        private: whether the data set is private.
        files: path and bytes of each file.
        card: text of the data set's card.
        url: where it is, None for a dry run.
    """

    repo: str
    private: bool
    files: tuple[tuple[str, int], ...]
    card: str
    url: str | None = None


def push(
    run: Path,
    repo: str,
    target: Target,
    *,
    private: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Upload:
    """Upload shards and card as a data set of the hub, in one commit.

    Args:
        run: folder of a finished run.
        repo: owner/name on the hub; made if it is not there.
        target: form of the shards, licence for the card.
        private: make it private; a data set that is there keeps its visibility.
        dry_run: upload nothing, tell what would go.
        progress: where progress is shown.

    Raises:
        CurateError: no such run, no login or no right, or no network.
    """
    if repo.count("/") != 1:
        raise CurateError("wrong name", where="REPO", found=repr(repo), expected="owner/name")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "export"
        export(run, folder, target, progress=progress)
        (folder / MARK).unlink()
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        sizes = tuple((str(p.relative_to(folder)), p.stat().st_size) for p in files)
        card = (folder / _CARD).read_text(encoding="utf-8")
        url = None if dry_run else _upload(folder, repo, private)
    return Upload(repo, private, sizes, card, url)


def _upload(folder: Path, repo: str, private: bool) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=str(folder),
            commit_message="Curated preference pairs",
        )
    except Exception as error:  # the library raises many kinds, also those of its HTTP client
        raise CurateError(
            f"the upload failed: {type(error).__name__}",
            where=repo,
            found=str(error).splitlines()[0] if str(error) else "",
            fix="check the name, the network and the login (hf auth login, or HF_TOKEN)",
        ) from error
    return str(commit.repo_url) if hasattr(commit, "repo_url") else str(commit)
