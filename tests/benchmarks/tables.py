"""README's tables from the folders that denoising.sh wrote: `tables.py OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

NAMES = {
    "auto-j/autoj_pairwise": "Auto-J*",
    "llmbar": "LLMBar*",
    "pandalm/testset-v1": "PandaLM",
    "hh-rlhf-harmless/test": "HH harmless",
    "llama-factory-dpo/dpo_en_demo": "LF en",
    "llama-factory-dpo/dpo_zh_demo": "LF zh",
}
DETECTION = (
    "noise_score", "crm", "mc_dropout", "donod", "holder", "knn_consensus", "knn_shapley",
    "general_preference", "margin (control)", "cleanlab (control)", "length (control)",
)  # fmt: skip
TRAINING = (
    "keep all", "oracle drop", "random drop", "noise_score", "drop_wrong", "reweight",
    "noise_score: relabel", "label_em: soft labels", "margin (control)", "cleanlab (control)",
)  # fmt: skip


def cells(rows: pl.DataFrame, measure: str, methods: tuple[str, ...], rate: float) -> pl.DataFrame:
    """Methods down, data sets across: mean ± standard deviation over seeds, and the mean of all."""
    part = rows.filter((pl.col("rate") == rate) & pl.col("method").is_in(methods))
    part = part.with_columns(pl.col("dataset").replace(NAMES))
    stats = part.group_by("method", "dataset", maintain_order=True).agg(
        mean=pl.col(measure).mean(), sd=pl.col(measure).std()
    )
    text = pl.format(
        "{} ±{}",
        pl.col("mean").round(3).cast(pl.String).str.pad_end(5, "0"),
        pl.col("sd").fill_null(0).round(3).cast(pl.String).str.strip_prefix("0"),
    )
    columns = stats.with_columns(text=text)
    table = columns.pivot(on="dataset", index="method", values="text")
    means = stats.group_by("method").agg(mean=pl.col("mean").mean().round(3))
    order = pl.DataFrame({"method": methods})
    table = order.join(table, on="method", maintain_order="left")
    return table.join(means, on="method", how="left", maintain_order="left")


def markdown(table: pl.DataFrame) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    lines += [
        "| " + " | ".join("" if v is None else str(v) for v in row) + " |" for row in table.rows()
    ]
    return "\n".join(lines)


def patterns(rows: pl.DataFrame) -> pl.DataFrame:
    """AUROC by pattern and rate, mean over data sets and seeds."""
    part = rows.filter(pl.col("method").is_in(DETECTION))
    means = part.group_by("pattern", "rate", "method", maintain_order=True).agg(
        pl.col("auroc").mean().round(3)
    )
    label = pl.format("{} {}%", "pattern", (pl.col("rate") * 100).cast(pl.Int64))
    return means.with_columns(k=label).pivot(on="k", index="method", values="auroc")


def synthetic(rows: pl.DataFrame) -> pl.DataFrame:
    """AUROC of the best possible ranking and of methods, and the estimated rates."""
    part = rows.filter(pl.col("method").is_in(["Bayes-optimal", *DETECTION, "label_em"]))
    return (
        part.group_by("method", "rate", maintain_order=True)
        .agg(pl.col("auroc", "noise_estimate").mean().round(3))
        .pivot(on="rate", index="method", values=["auroc", "noise_estimate"])
    )


def main() -> None:
    """Print all tables."""
    folder = Path(sys.argv[1])
    symmetric = pl.read_parquet(folder / "symmetric" / "bench.parquet")
    for rate in (0.2, 0.4):
        print(
            f"\nAUROC, {rate:.0%} flips\n\n{markdown(cells(symmetric, 'auroc', DETECTION, rate))}"
        )
    for rate in (0.0, 0.2, 0.4):
        table = cells(symmetric, "downstream_accuracy", TRAINING, rate)
        print(f"\nDownstream accuracy, {rate:.0%} flips\n\n{markdown(table)}")
    for rate in (0.0, 0.2, 0.4):
        methods = ("label_em", "holder", "cleanlab (control)")
        table = cells(symmetric, "noise_estimate", methods, rate)
        print(f"\nEstimated noise rate, {rate:.0%} flips\n\n{markdown(table)}")
    print(
        "\nPatterns\n\n"
        + markdown(patterns(pl.read_parquet(folder / "patterns" / "bench.parquet")))
    )
    result_files = pl.read_parquet(folder / "semi-synthetic" / "bench.parquet")
    print("\nSemi-synthetic\n\n" + markdown(synthetic(result_files)))


if __name__ == "__main__":
    main()
