"""The weighted, two-sided loss in TRL's trainers.

They read the columns `weight` and `label_probability`. All else (models, adapters, reference,
metrics) is TRL's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import logsigmoid
from torch.overrides import TorchFunctionMode

from curate.errors import CurateError
from curate.optional_packages import need

need("trl", "trainers", "curate.trl")
from trl import DPOTrainer, RewardTrainer  # noqa: E402

COLUMNS = ("weight", "label_probability")


def two_sided(
    margins: torch.Tensor,
    opposite: torch.Tensor,
    weight: torch.Tensor,
    right: torch.Tensor,
    robust: bool = False,
) -> torch.Tensor:
    """Return the weighted log-likelihood of labels with a probability to be correct, (pairs,).

    w [p log s(m) + (1 - p) log s(m')], the loss of LCPO and RE-PO (arXiv 2509.24159) but for its
    sign. `robust`: w [p log s(m) - (1 - p) log s(m')] / (2p - 1), unbiased where labels are wrong
    at the known rate 1 - p (rDPO, arXiv 2403.00409, with a rate for each row).

    Args:
        margins: m of the label as written, (pairs,).
        opposite: m' of the other label, -m without a margin of the data.
        weight: w, 0 or more.
        right: p, 0 to 1; above 1/2 where robust.
        robust: see above.

    >>> half = torch.tensor([0.5])
    >>> round(two_sided(torch.zeros(1), torch.zeros(1), 2 * half, half).item(), 4)
    -0.6931
    """
    written, other = right * logsigmoid(margins), (1 - right) * logsigmoid(opposite)
    return weight * ((written - other) / (2 * right - 1) if robust else written + other)


class _TwoSidedLoss(TorchFunctionMode):
    """Puts `two_sided` where a trainer takes the log-sigmoid of a margin for each pair."""

    def __init__(
        self, weight: torch.Tensor, right: torch.Tensor, margin: torch.Tensor | float, robust: bool
    ) -> None:
        super().__init__()
        self._rows, self._margin, self._robust = (weight, right), margin, robust
        self.calls = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not logsigmoid or args[0].shape != self._rows[0].shape:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        # The trainer has taken the data's margin off, which the other label needs as well.
        return two_sided(args[0], -args[0] - 2 * self._margin, *self._rows, self._robust)


class _WeightCollator:
    """A trainer's collator, and the columns of weights; 1 where a row has none."""

    def __init__(self, collate: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> None:
        self._collate = collate

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = self._collate(examples)
        for name in COLUMNS:
            values = [example.get(name) for example in examples]
            batch[name] = torch.tensor([1.0 if v is None else float(v) for v in values])
        return batch


class _WeightedTrainer:
    """What both trainers do; before TRL's own class in the order of bases."""

    train_dataset: Any
    data_collator: Any
    _signature_columns: Any

    def __init__(self, *args: Any, robust: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._robust = robust
        self.data_collator = _WeightCollator(self.data_collator)
        columns = getattr(self.train_dataset, "column_names", None)
        if columns is not None and not set(COLUMNS) & set(columns):
            fix = "export the data with weights: column, or train rows with TRL's own trainer"
            raise CurateError("no weights", found=f"columns {', '.join(columns)}", fix=fix)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        self._signature_columns = list(dict.fromkeys([*self._signature_columns, *COLUMNS]))

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return TRL's loss with row weights: the weighted mean over the rows of a batch.

        Raises:
            CurateError: a loss that is no log-sigmoid of the margin, or `robust` with a probability
                of 1/2 or less.
        """
        inputs = dict(inputs)
        weight, right = (inputs.pop(name) for name in COLUMNS)
        if self._robust and bool((right <= 0.5).any()):
            least, expected = f"{float(right.min()):g}", "above 0.5: wrong less often than right"
            raise CurateError("label_probability with robust", found=least, expected=expected)
        with _TwoSidedLoss(weight, right, inputs.get("margin", 0.0), self._robust) as mode:
            more = (return_outputs, num_items_in_batch)
            loss = super().compute_loss(model, inputs, *more)  # type: ignore[misc]
        if mode.calls != 1:
            calls, expected = f"{mode.calls} log-sigmoids a pair", "one: loss_type sigmoid"
            raise CurateError("this loss cannot be weighed", found=calls, expected=expected)
        return loss


class WeightedDPOTrainer(_WeightedTrainer, DPOTrainer):  # type: ignore[misc]
    """`trl.DPOTrainer` for rows with `weight` and `label_probability`; loss_type "sigmoid".

    Args:
        robust: rDPO with the rate of wrong labels 1 - label_probability of each row.
    """


class WeightedRewardTrainer(_WeightedTrainer, RewardTrainer):  # type: ignore[misc]
    """`trl.RewardTrainer` for rows with `weight` and `label_probability`, and `margin` if any.

    Args:
        robust: as of `WeightedDPOTrainer`, for Bradley-Terry.
    """
