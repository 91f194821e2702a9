"""Puts the kept pairs of a run on the hub: `curate push`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from curate.data.content_kinds import FILE_BYTES
from curate.errors import CurateError
from curate.steps.context import Progress
from curate.write.contents import FolderContents, is_run_folder
from curate.write.export import MARK, MEDIA_PATHS, ExportTarget, export_pairs
from curate.write.exports import get_export

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


def push_folder(
    run: Path,
    repo: str,
    target: ExportTarget,
    *,
    private: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Upload:
    """Upload shards and card as a data set of the hub, in one commit.

    Args:
        run: folder of a finished run, whose media are uploaded too where the form holds files; or
            of an export, which is uploaded as it is.
        repo: owner/name on the hub; made if it is not there.
        target: form of the shards of a run, licence for the card.
        private: make it private; a data set that is there keeps its visibility.
        dry_run: upload nothing, return what would be uploaded.
        progress: where progress is shown.

    Raises:
        CurateError: no such run, an export with settings that ask for another, or one that was
            changed, no login or no right, or no network.
    """
    # Without an owner the library would take the user's own name for it.
    if repo.count("/") != 1:
        raise CurateError("wrong name", where="REPO", found=repr(repo), expected="owner/name")
    with tempfile.TemporaryDirectory() as temporary:
        if is_run_folder(run, MARK):
            folder = _require_same_target(run, target)
        else:
            folder = Path(temporary) / "export"
            export_pairs(run, folder, _embed_media(target), progress=progress)
            (folder / MARK).unlink()
        # The mark names paths of this machine.
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MARK)
        sizes = tuple((str(p.relative_to(folder)), p.stat().st_size) for p in files)
        card = (folder / _CARD).read_text(encoding="utf-8")
        url = None if dry_run else _upload_folder(folder, repo, private)
    return Upload(repo, private, sizes, card, url)


def _embed_media(target: ExportTarget) -> ExportTarget:
    """Return the target with embedded media, since local paths open nowhere else."""
    # A path of this machine leads nowhere on the hub.
    holds = FILE_BYTES in get_export(target.format, "--to").supported_content(target.file_type)
    return replace(target, media="embed") if holds else target


def _require_same_target(folder: Path, target: ExportTarget) -> Path:
    """Return the folder of an export after checking that its settings match the target."""
    contents = FolderContents(folder, MARK)
    contents.check()
    if replace(target, format=ExportTarget.format) != ExportTarget() or target.format not in (
        ExportTarget.format,
        contents.data["format"],
    ):
        raise CurateError(
            "an export is uploaded unchanged",
            where=str(folder),
            found="settings of an export",
            fix="omit them, or push the run folder with them",
        )
    if contents.data.get(MEDIA_PATHS):
        raise CurateError(
            "the export refers to media by local paths",
            where=str(folder),
            found=f"{contents.data[MEDIA_PATHS]:,} paths",
            fix="export again with --media embed, or push the run's folder",
        )
    return folder


def _upload_folder(folder: Path, repo: str, private: bool) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=str(folder),
            ignore_patterns=[MARK],
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
