"""The trainers' own loading code reads our exports.

The trainers are installed without their dependencies (tests/no-deps.txt); modules that their
packages import at the top and the loading code does not use are stood in for by empty ones.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import datasets
import polars as pl
import pytest
import yaml

from curate import Pairs, Pipeline
from curate.data.table import MESSAGES
from curate.verdicts.files import read_verdicts
from curate.verdicts.tools import TOOLS
from curate.write.export import ExportTarget, export_pairs
from curate.write.exports import TrainerHints, get_export
from curate.write.shards import write_files, write_shards
from tests.helpers import numbered_pairs, published, turn, write_jsonl
from tests.models import tiny_causal

pytestmark = pytest.mark.slow
COUNT = 5


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pairs with a system message and two questions, as a file of the pair table."""
    talk = turn("Be kind.", "system") + turn("hi", "user") + turn("ho") + turn("more?", "user")
    frame = numbered_pairs(COUNT).with_columns(
        prompt=pl.lit(talk, dtype=MESSAGES), strength=pl.lit(2.0, dtype=pl.Float32)
    )
    write_shards([Pairs(frame).frame], tmp_path / "pairs", "parquet", 100)
    return tmp_path / "pairs"


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts empty modules, or modules with the given names, in the place of heavy ones."""

    def put(**modules: dict[str, Any]) -> None:
        for name, content in modules.items():
            module = types.ModuleType(name.replace("___", "._").replace("__", "."))
            module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
            module.__path__ = []  # type: ignore[attr-defined]
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, module.__name__, module)

    return put


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    """The tokenizer of a tiny model, with a chat template."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_causal(tmp_path / "model"))


@pytest.fixture(autouse=True)
def _fresh_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def written(pairs: Path, out: Path, form: str, file_type: str = "parquet") -> Any:
    export_pairs(pairs, out, ExportTarget(form, file_type))
    kind = {"jsonl": "json"}.get(file_type, file_type)
    files = str(out / "kept" / f"*.{file_type}")
    return datasets.load_dataset(kind, data_files=files, split="train")


def test_llama_factory(
    pairs: Path, tmp_path: Path, stand_ins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _home("llamafactory")
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")  # it wants an older transformers
    stand_ins(torchaudio={})
    loader = importlib.import_module("llamafactory.data.loader")
    parser = importlib.import_module("llamafactory.data.parser")
    hparams = importlib.import_module("llamafactory.hparams")
    from transformers import TrainingArguments

    export_pairs(pairs, tmp_path / "out", ExportTarget("llamafactory"))
    folder = str(tmp_path / "out")
    arguments = hparams.DataArguments(dataset="curated", dataset_dir=folder)
    (entry,) = parser.get_dataset_list(["curated"], folder)
    training = TrainingArguments(output_dir=str(tmp_path / "t"), report_to="none", use_cpu=True)
    models = hparams.ModelArguments(model_name_or_path="none", cache_dir=str(tmp_path / "cache"))
    loaded = loader._load_single_dataset(entry, models, arguments, training)
    assert loaded.num_rows == COUNT
    row = loaded[3]
    assert [m["role"] for m in row["_prompt"]] == ["user", "assistant", "user"]
    assert row["_system"] == "Be kind."
    assert [m["content"] for m in row["_response"]] == ["good 3", "evil 3"]


def test_llama_factory_reads_calls_tools_and_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_ins: Any
) -> None:
    _home("llamafactory")
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    stand_ins(torchaudio={})
    loader = importlib.import_module("llamafactory.data.loader")
    parser = importlib.import_module("llamafactory.data.parser")
    hparams = importlib.import_module("llamafactory.hparams")
    from transformers import TrainingArguments

    call = {"type": "function", "function": {"name": "zoom", "arguments": {"by": 2}}}
    image_question = [{"type": "image"}, {"type": "text", "text": "What?"}]
    row = {
        "prompt": [
            {"role": "user", "content": image_question},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "larger"},
        ],
        "chosen": [{"role": "assistant", "content": "A cat.", "reasoning_content": "whiskers"}],
        "rejected": [{"role": "assistant", "content": None, "tool_calls": [call]}],
        "tools": [{"type": "function", "function": {"name": "zoom", "parameters": {}}}],
        "images": ["cat.png"],
    }
    export_pairs(
        str(write_jsonl(tmp_path / "rows.jsonl", [row])),
        tmp_path / "out",
        ExportTarget("llamafactory"),
    )
    folder = str(tmp_path / "out")
    arguments = hparams.DataArguments(dataset="curated", dataset_dir=folder)
    (entry,) = parser.get_dataset_list(["curated"], folder)
    training = TrainingArguments(output_dir=str(tmp_path / "t"), report_to="none", use_cpu=True)
    models = hparams.ModelArguments(model_name_or_path="none", cache_dir=str(tmp_path / "cache"))
    loaded_row = loader._load_single_dataset(entry, models, arguments, training)[0]
    assert [m["role"] for m in loaded_row["_prompt"]] == ["user", "function", "observation"]
    assert loaded_row["_prompt"][0]["content"] == "<image>What?"
    assert json.loads(loaded_row["_prompt"][1]["content"]) == call["function"]
    assert loaded_row["_response"][0]["content"] == "<think>\nwhiskers\n</think>\n\nA cat."
    assert loaded_row["_response"][1]["role"] == "function"
    assert json.loads(loaded_row["_tools"]) == row["tools"]
    assert loaded_row["_images"] == ["cat.png"]


def test_torchtune(pairs: Path, tmp_path: Path, stand_ins: Any) -> None:
    home = _home("torchtune")
    stand_ins(
        torchtune={},
        torchtune__data={},
        torchtune__data___utils={"format_content_with_images": None, "load_image": None},
        torchtune__modules={},
        torchtune__modules__transforms={"Transform": object},
    )
    messages = _module_of(home / "data" / "_messages.py", "torchtune_messages", stand_ins)
    loaded = written(pairs, tmp_path / "out", "torchtune")
    entry = yaml.safe_load((tmp_path / "out" / "torchtune.yaml").read_text())["dataset"]
    again = datasets.load_dataset(
        entry["source"], data_files=str(tmp_path / "out" / entry["data_files"]), split="train"
    )
    assert again.num_rows == loaded.num_rows == COUNT
    conversations = messages.ChosenRejectedToMessages(train_on_input=False)(loaded[3])
    roles = [message.role for message in conversations["chosen"]]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert conversations["chosen"][-1].text_content == "good 3"
    assert conversations["rejected"][-1].text_content == "evil 3"
    assert [message.masked for message in conversations["chosen"]] == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_verl_reads_texts_of_several_shards(tmp_path: Path, stand_ins: Any, tokenizer: Any) -> None:
    """Its `RMDataset`; it has no data set of preferences for DPO."""
    home = _home("verl")
    stand_ins(
        verl={},
        verl__utils={"hf_tokenizer": None},
        verl__utils__fs={"copy": None, "is_non_local": lambda _: False},
    )
    module = _module_of(home / "utils" / "dataset" / "rm_dataset.py", "verl_rewards", stand_ins)
    config = {"output": {"format": "trl_text", "rows_per_shard": 2}}
    Pipeline(config).run(Pairs(numbered_pairs(COUNT)), output=tmp_path / "out")
    shards = sorted(map(str, (tmp_path / "out" / "kept").iterdir()))
    assert len(shards) == 3
    rows = module.RMDataset(shards, tokenizer, max_length=64)
    assert len(rows) == COUNT
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in rows[3]["input_ids"]]
    assert texts == ["prompt 3good 3", "prompt 3evil 3"]


def test_label_smoothing_reaches_the_loss_of_torchtune(stand_ins: Any) -> None:
    import torch

    module = _module_of(_home("torchtune") / "rlhf" / "loss" / "dpo.py", "tune_dpo", stand_ins)
    assert "loss" not in get_export("torchtune").files(TrainerHints())["torchtune.yaml"]
    settings = get_export("torchtune").files(TrainerHints(0.2))["torchtune.yaml"]["loss"]
    package, name = settings.pop("_component_").rsplit(".", 1)
    assert package == "torchtune.rlhf.loss"
    good, bad, zero = torch.tensor([-1.0]), torch.tensor([-4.0]), torch.zeros(1)
    losses, _, _ = getattr(module, name)(beta=0.1, **settings)(good, bad, zero, zero)
    margin = torch.tensor([0.3])
    sigmoid = torch.nn.functional.logsigmoid
    assert torch.allclose(losses, -0.8 * sigmoid(margin) - 0.2 * sigmoid(-margin))


def test_openrlhf(pairs: Path, tmp_path: Path, stand_ins: Any, tokenizer: Any) -> None:
    home = _home("openrlhf")
    loaded = written(pairs, tmp_path / "out", "openrlhf")
    arguments = yaml.safe_load((tmp_path / "out" / "openrlhf.yaml").read_text())
    stand_ins(
        openrlhf__utils={},
        openrlhf__utils__utils={"zero_pad_sequences": None},
        openrlhf__datasets={},
        openrlhf__datasets__utils={"exist_and_not_none": lambda d, k: d.get(k) is not None},
    )
    reward = _module_of(home / "datasets" / "reward_dataset.py", "openrlhf_reward", stand_ins)
    for is_dpo in (False, True):
        prompt, chosen, rejected, margin = reward.preprocess_data(
            loaded[3],
            prompt_key=arguments["data.prompt_key"],
            chosen_key=arguments["data.chosen_key"],
            rejected_key=arguments["data.rejected_key"],
            apply_chat_template=tokenizer.apply_chat_template,
            is_dpo=is_dpo,
        )
        assert "more?" in prompt
        assert "good 3" in chosen
        assert "evil 3" in rejected
        assert "more?" not in chosen + rejected
        assert margin == 2.0


def test_nemo_rl_by_its_documented_schema(pairs: Path, tmp_path: Path) -> None:
    """Its package on PyPI is an empty stub, so that its code cannot be run here."""
    row = written(pairs, tmp_path / "out", "nemo_rl", "jsonl")[3]
    assert [m["role"] for m in row["context"]] == ["system", "user", "assistant", "user"]
    best, worst = sorted(row["completions"], key=lambda c: c["rank"])
    assert best["completion"] == published("good 3")
    assert worst["completion"] == published("evil 3")


@pytest.mark.parametrize("file_type", ["parquet", "jsonl"])
def test_nemo_rl_is_given_the_folder_of_all_shards(
    file_type: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `load_dataset_from_path` calls `load_dataset(data_path)["train"]` for a folder."""
    splits = {"train": 0.8, "test": 0.2}
    shards = {"format": "nemo_rl", "file_type": file_type, "rows_per_shard": 10, "splits": splits}
    Pipeline({"output": shards}).run(Pairs(numbered_pairs(50)), output=tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    config = yaml.safe_load(Path("nemo_rl.yaml").read_text())["data"]
    paths = [config[name]["data_path"] for name in ("train", "validation")]
    assert [datasets.load_dataset(path)["train"].num_rows for path in paths] == [40, 10]


def _home(package: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: pip install --no-deps -r tests/no-deps.txt")
    return Path(spec.submodule_search_locations[0])


def _module_of(path: Path, name: str, stand_ins: Any) -> Any:
    """A module from its file alone, without the package around it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    stand_ins(**{name: {}})
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_argilla_reads_its_task_files(tmp_path: Path, stand_ins: Any) -> None:
    """Settings and records by Argilla's own classes; a server is stood in for."""
    _home("argilla")
    stand_ins(PIL={"Image": object}, PIL__Image={})
    argilla = importlib.import_module("argilla")
    client = importlib.import_module("argilla.client")
    client.Argilla._get_default = classmethod(lambda cls: MagicMock())
    first = pl.Series([True, False, True])
    write_files(TOOLS["argilla"].files(numbered_pairs(3), first), tmp_path)
    settings = argilla.Settings.from_json(tmp_path / "settings.json")
    assert [f.name for f in settings.fields] == ["prompt", "answer_a", "answer_b"]
    assert settings.questions["verdict"].labels == ["A", "B", "tie", "drop"]
    assert settings.metadata["order"].visible_for_annotators is False
    json_io = importlib.import_module("argilla.records._io._json").JsonIO
    records = json_io._records_from_json(tmp_path / "records.json")
    user = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    for record in records:
        record.responses.add(argilla.Response("verdict", "A", user_id=user))
    json_io.to_json(records, tmp_path / "done.json")
    verdicts = read_verdicts([tmp_path / "done.json"])
    assert verdicts["verdict"].to_list() == ["keep", "flip", "keep"]
    assert verdicts["reviewer"].unique().to_list() == [user]
