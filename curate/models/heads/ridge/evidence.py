"""Ridge regression of labels on blocks of features, the strength of each block by evidence.

A pair's target is y = z w + noise for its features z (oriented chosen minus rejected); y is 1 for
the observed label, or 2 q - 1 where the label is right with probability q. w_b ~ N(0, v_b I) for
block b and noise ~ N(0, s2). Variances maximise the evidence (type-II maximum
likelihood: MacKay 1992, Neural Computation 4) under a hyperprior; all rests on sums of outer
products. No pair's margin depends on any label of its prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from curate.data.table import batch_slices
from curate.models.heads.ridge.sign_flip_test import RESAMPLES, prompt_signs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SD, _SD_COMMON, _SD_NOISE = 0.6, 2.5, 3.0
"""Of a block's log variance around the common one, of the common one, of the log noise."""
# At its lower bound a block of features is switched off; labels are 1 and -1.
_LOG_VARIANCE, _LOG_NOISE = (-14.0, 5.0), (-6.0, 1.0)
# Of L-BFGS at most.
_ITERATIONS = 60
_CHUNK = 4096
"""Rows that are looked at in one piece."""

FeatureReader = Callable[[slice], "NDArray[np.floating]"]
"""Features of some rows, (rows, d)."""


@dataclass(frozen=True)
class SufficientStatistics:
    """Weighted sums over rows.

    Attributes:
        gram: Z'WZ, (d, d).
        cross: Z'Wy, (d,).
        turned: Z'Wy with the signs of prompts turned as by `prompt_signs`, (d, resamples).
        square: y'Wy.
        count: the sum of weights.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    turned: NDArray[np.float64]
    square: float
    count: float


def sufficient_statistics(
    features: FeatureReader,
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    width: int,
) -> SufficientStatistics:
    """Return sums over rows, a few thousand of them in memory at a time.

    Args:
        features: gives the features of some rows.
        groups: (rows,) number of each row's prompt.
        weights: (rows,) weight of each row.
        targets: (rows,) target y of each row.
        width: number of features.
    """
    gram, cross = np.zeros((width, width)), np.zeros(width)
    turned = np.zeros((width, RESAMPLES))
    for chunk in batch_slices(len(groups), _CHUNK):
        z, w = features(chunk), weights[chunk]
        weighted = z * w[:, None]
        # Products in the type of the features, sums over parts in float64.
        gram += weighted.T @ z
        cross += weighted.T @ targets[chunk]
        signed = targets[chunk, None] * prompt_signs(groups[chunk])
        turned += weighted.T @ signed.astype(z.dtype)
    square = float(weights @ targets**2)
    return SufficientStatistics(gram, cross, turned, square, float(weights.sum()))


def add_statistics(statistics: Iterable[SufficientStatistics]) -> SufficientStatistics:
    """Return the sums over the rows of all, added in their order."""
    return reduce(
        lambda total, more: SufficientStatistics(
            total.gram + more.gram,
            total.cross + more.cross,
            total.turned + more.turned,
            total.square + more.square,
            total.count + more.count,
        ),
        statistics,
    )


class Evidence:
    """Chooses the strengths of the blocks.

    Args:
        widths: columns of each block; the first is the large one (the embedding).
        centre: of the hyperprior of each block's log variance.
    """

    def __init__(self, widths: Sequence[int], centre: Sequence[float]) -> None:
        self._embedding_width, self._other_width = widths[0], sum(widths[1:])
        self._block = np.repeat(np.arange(1, len(widths)), widths[1:])
        self._members = [np.flatnonzero(self._block == b) for b in range(1, len(widths))]
        self._centre = np.asarray(centre, dtype=np.float64)
        # Blocks move together more than apart: the data decide first how strong all are.
        spread = np.eye(len(widths)) * _SD**2 + _SD_COMMON**2
        self._precision = np.linalg.inv(spread)

    def strengths(self, statistics: SufficientStatistics) -> NDArray[np.float64]:
        """Return log variances of the blocks and of the noise, (blocks + 1,), of largest
        posterior."""
        e = slice(0, self._embedding_width)
        # In the eigenbasis of the large block an evaluation does not depend on the rows.
        # eigh returns tiny negative eigenvalues of a singular matrix; they are clipped below.
        values, basis = np.linalg.eigh(statistics.gram[e, e])
        rotated = _RotatedStatistics(
            np.maximum(values, 0.0),
            basis.T @ statistics.gram[e, self._embedding_width :],
            statistics.gram[self._embedding_width :, self._embedding_width :],
            basis.T @ statistics.cross[e],
            statistics.cross[self._embedding_width :],
            statistics.square,
            statistics.count,
        )
        start = np.concatenate([self._centre, [0.0]])
        bounds = [_LOG_VARIANCE] * len(self._centre) + [_LOG_NOISE]
        # Few parameters and an exact gradient: a quasi-Newton method needs few evaluations.
        result = minimize(
            lambda theta: self._loss(theta, rotated),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _ITERATIONS},
        )
        best: NDArray[np.float64] = result.x
        return best

    def precisions(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return 1 / v of each column, (d,)."""
        variances = np.exp(theta[:-1])
        column_variances = np.concatenate(
            [np.full(self._embedding_width, variances[0]), variances[self._block]]
        )
        return 1.0 / column_variances

    def _loss(
        self, theta: NDArray[np.float64], r: _RotatedStatistics
    ) -> tuple[float, NDArray[np.float64]]:
        """Return minus the log posterior of the strengths, and its gradient.

        With R = diag(sqrt v) and M = I + R Z'Z R / s2 the evidence is
        -log p(y) = (y'y / s2 - b'u + log det M + n log s2) / 2, u = M^-1 b, b = R Z'y / s2.
        """
        variances, noise = np.exp(theta[:-1]), float(np.exp(theta[-1]))
        root_e, root_s = np.sqrt(variances[0]), np.sqrt(variances[self._block])
        diagonal = 1.0 + variances[0] * r.values / noise
        mixed = root_e * r.mixed * root_s / noise
        # By blocks: the large one is diagonal here, so that only the small one is factored.
        schur = np.eye(self._other_width) + root_s[:, None] * r.small * root_s / noise
        # The Schur complement of the diagonal block: log det M is the sum of both log determinants.
        schur -= mixed.T @ (mixed / diagonal[:, None])
        factor = np.linalg.cholesky(schur)
        inverse_factor = np.linalg.inv(factor)
        inverse = inverse_factor.T @ inverse_factor
        b_e, b_s = root_e * r.cross_e / noise, root_s * r.cross_s / noise
        u_s = inverse @ (b_s - mixed.T @ (b_e / diagonal))
        u_e = (b_e - mixed @ u_s) / diagonal
        fitted = float(b_e @ u_e + b_s @ u_s)
        value = 0.5 * (r.square / noise - fitted) + 0.5 * float(np.log(diagonal).sum())
        value += float(np.log(np.diag(factor)).sum()) + 0.5 * r.count * float(theta[-1])
        # d_j = 1 - (M^-1)_jj: how far the data determine each direction.
        spread = mixed @ inverse
        d_e = 1.0 - (1.0 / diagonal + (spread * mixed).sum(axis=1) / diagonal**2)
        d_s = 1.0 - np.diag(inverse)
        # d loss / d log v_b = (d_b - |u_b|^2) / 2, MacKay's effective parameters minus the fit.
        gradient = [0.5 * (d_e.sum() - u_e @ u_e)]
        gradient += [0.5 * (d_s[m].sum() - u_s[m] @ u_s[m]) for m in self._members]
        squares = float(u_e @ u_e + u_s @ u_s)
        residual = r.square / noise - fitted - squares
        slope = 0.5 * (r.count - float(d_e.sum() + d_s.sum()) - residual)
        off = theta[:-1] - self._centre
        value += 0.5 * float(off @ self._precision @ off) + 0.5 * (theta[-1] / _SD_NOISE) ** 2
        last = slope + theta[-1] / _SD_NOISE**2
        return value, np.concatenate([np.array(gradient) + self._precision @ off, [last]])


@dataclass(frozen=True)
class _RotatedStatistics:
    """Sums in the eigenbasis of the large block: its eigenvalues, and the other parts."""

    values: NDArray[np.float64]
    mixed: NDArray[np.float64]
    small: NDArray[np.float64]
    cross_e: NDArray[np.float64]
    cross_s: NDArray[np.float64]
    square: float
    count: float


@dataclass(frozen=True)
class Ridge:
    """Coefficients over all rows at given strengths, and what leaving out a prompt needs.

    Attributes:
        covariance: A^-1 with A = Z'WZ / s2 + diag(1 / v), (d, d).
        weights: A^-1 Z'Wy / s2, (d,).
        noise: s2.
    """

    covariance: NDArray[np.float64]
    weights: NDArray[np.float64]
    noise: float

    @classmethod
    def fit(
        cls, statistics: SufficientStatistics, evidence: Evidence, theta: NDArray[np.float64]
    ) -> Ridge:
        """Solve at these strengths."""
        noise = float(np.exp(theta[-1]))
        matrix = statistics.gram / noise + np.diag(evidence.precisions(theta))
        covariance = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
        return cls(covariance, covariance @ (statistics.cross / noise), noise)

    def left_out(
        self,
        z: NDArray[np.floating],
        groups: NDArray[np.int64],
        weights: NDArray[np.float64],
        targets: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return margins of rows without what their own prompt teaches, (rows,).

        With H = Z_g A^-1 Z_g' W_g / s2 over the rows of a prompt, leaving them out changes the
        coefficients b by -A^-1 Z_g' W_g / s2 (I - H)^-1 (y_g - Z_g b).

        Args:
            z: (rows, d) features; rows of one prompt follow each other, and none is missing.
            groups: (rows,) number of each row's prompt.
            weights: (rows,) of each row in the sums.
            targets: (rows,) likewise.
        """
        margins = z @ self.weights
        # The large product, in the type of the features: its values are far below 1.
        influence = z @ (self.covariance / self.noise).astype(z.dtype)
        starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
        sizes = np.diff(np.concatenate([starts, [len(groups)]]))
        out = margins.copy()
        for size in np.unique(sizes):
            rows = starts[sizes == size][:, None] + np.arange(size)
            # Prompts with equally many pairs are solved as one batch: most have one to three.
            hat = np.einsum("gid,gjd->gij", influence[rows], z[rows]) * weights[rows][:, None, :]
            residual = (targets[rows] - margins[rows])[:, :, None]
            solved = np.linalg.solve(np.eye(size) - hat, residual)
            out[rows] = margins[rows] - (hat @ solved)[:, :, 0]
        return out
