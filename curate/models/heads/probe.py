"""How one gradient step changes a weight matrix, in closed form (DONOD)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def norm_change(
    inner: NDArray[np.float64],
    gradient_norm: NDArray[np.float64],
    weight_norm: NDArray[np.float64] | float,
    step: float,
) -> NDArray[np.float64]:
    """Return ||W - step G||_F - ||W||_F elementwise, from <W, G>, ||G||_F and ||W||_F.

    With q = -2 step <W, G> + step^2 ||G||^2 the norm grows by q / (sqrt(||W||^2 + q) + ||W||); the
    plain difference of the norms would lose its digits.
    """
    q = np.square(step * gradient_norm) - 2.0 * step * inner
    # Rounding can bring a square just below 0 where the step cancels the weights.
    after = np.sqrt(np.maximum(np.square(weight_norm) + q, 0.0))
    total = after + weight_norm
    grows: NDArray[np.float64] = np.divide(q, total, out=np.zeros_like(q), where=total > 0)
    return grows
