"""The ghost-norm formulas against autograd in float64, and the identities of DONOD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.models.lm.network import CausalNetwork
from curate.models.lm.trees import PromptTree
from curate.scorers.donod_lm import DONODLM, gradients, probe_gradients
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import family_model, random_pairs
from tests.models import tiny_causal

PROMPT, CHOSEN, REJECTED = (5, 9, 30, 31), (40, 41, 40, 7, 2), (8, 40, 2)
BETA, STEP, MARGIN = 0.3, 0.05, 0.7


def network(folder: Path) -> CausalNetwork:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    return CausalNetwork(model.eval(), 0, "cpu")


def sums_of(net: CausalNetwork) -> np.ndarray:
    trees = [PromptTree(PROMPT, (CHOSEN, REJECTED), (0, 1))]
    with torch.no_grad():
        return gradients.gradient_pair_sums(net, net.batch(trees)).numpy()[:1]


def autograd_steps(net: CausalNetwork) -> dict[str, tuple[float, float]]:
    """NOD and DON (after minus before) of the real step, for both losses."""
    head = net.model.lm_head
    states = {}
    for name, answer in (("w", CHOSEN), ("l", REJECTED)):
        ids = torch.tensor([[*PROMPT, *answer]])
        with torch.no_grad():
            states[name] = net.model.model(ids).last_hidden_state[0]
    weight = head.weight.detach().clone().requires_grad_()

    def logprob(name: str, answer: tuple[int, ...]) -> torch.Tensor:
        logits = states[name][len(PROMPT) - 1 : -1] @ weight.T
        return torch.log_softmax(logits, -1).gather(1, torch.tensor(answer)[:, None]).sum()

    w, x = logprob("w", CHOSEN), logprob("l", REJECTED)
    moving = BETA * (w - x)
    dpo = -torch.nn.functional.logsigmoid(moving - moving.detach() + MARGIN)
    steps = {}
    for name, loss in (("dpo", dpo), ("sft", -w / len(CHOSEN))):
        (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
        after = weight.detach() - STEP * gradient
        nod = float((after - weight.detach()).norm())
        steps[name] = nod, float(after.norm() - weight.detach().norm())
    return steps


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": True}])
@pytest.mark.parametrize("elements", [1 << 24, 500])
def test_equal_to_clone_and_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], elements: int
) -> None:
    monkeypatch.setattr(gradients, "_ELEMENTS", elements)
    monkeypatch.setattr(gradients, "_KEPT_ELEMENTS", elements)
    net = network(tiny_causal(tmp_path, **changes))
    probed = probe_gradients(sums_of(net), np.array([MARGIN]), BETA, STEP)
    truth = autograd_steps(net)
    assert net.tied == bool(changes)
    assert probed["nod"][0] == pytest.approx(truth["dpo"][0], rel=1e-9)
    assert probed["don"][0] == pytest.approx(truth["dpo"][1], rel=1e-7)
    assert probed["sft_nod"][0] == pytest.approx(truth["sft"][0], rel=1e-9)
    assert probed["sft_don"][0] == pytest.approx(truth["sft"][1], rel=1e-7)


def test_without_shared_prompts_it_is_the_same(tmp_path: Path) -> None:
    net = network(tiny_causal(tmp_path))
    apart = [PromptTree(PROMPT, (CHOSEN,), (0,)), PromptTree(PROMPT, (REJECTED,), (1,))]
    with torch.no_grad():
        sums = gradients.gradient_pair_sums(net, net.batch(apart)).numpy()[:1]
    np.testing.assert_allclose(sums, sums_of(net), rtol=1e-9)


def test_a_flip_multiplies_nod_by_e_to_the_margin(tiny: Path, tiny_other: Path) -> None:
    pairs = random_pairs(6)
    flipped = pairs.with_columns(chosen="rejected", rejected="chosen")
    scorer = DONODLM(policy=str(tiny), reference=str(tiny_other), beta=BETA)
    context = Context(inference=Inference(device="cpu"))
    before, after = scorer.score(pairs, context), scorer.score(flipped, context)
    np.testing.assert_allclose(
        after["nod"] / before["nod"], np.exp(before["margin"].to_numpy()), rtol=1e-4
    )
    np.testing.assert_allclose(after["margin"], -before["margin"], atol=1e-4)
    assert (before["sensitivity"] - after["sensitivity"]).abs().max() < 1e-4


def test_where_the_policy_is_its_own_reference_nod_does_not_know_the_label(tiny: Path) -> None:
    pairs = random_pairs(4)
    flipped = pairs.with_columns(chosen="rejected", rejected="chosen")
    scorer, context = DONODLM(policy=str(tiny)), Context(inference=Inference(device="cpu"))
    nod = [scorer.score(p, context)["nod"].to_numpy() for p in (pairs, flipped)]
    np.testing.assert_allclose(nod[0], nod[1], rtol=1e-4)


def test_a_soft_cap_is_refused(tmp_path: Path) -> None:
    scorer = DONODLM(policy=str(family_model(tmp_path, "gemma2")))
    with pytest.raises(CurateError, match="plain linear map"):
        scorer.score(random_pairs(2), Context(inference=Inference(device="cpu")))
