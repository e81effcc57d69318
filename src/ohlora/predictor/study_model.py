"""What a study's own trials say: a Gaussian process whose mean follows the predictor as far as they agree.

Two models are weighed by their evidence. One believes the predictor,

    score = level + slope * predicted + departure(params) + noise,

the other leaves it out. Departures are a Gaussian process (Rasmussen & Williams 2006, section 2.7: explicit
basis functions) with a Matérn 5/2 covariance that has one length for each parameter (ARD, section 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm

ODDS = 4.0  # for the predictor, before any trial
# Hyperpriors: each scale is log-normal around the first number, by a factor of exp(second) each way.
# Scales are in units of the score's: 1 where it is a macro-F1, else the spread of what was seen.
LENGTH = (0.45, 1.0)  # in widths of what the study tunes
NOISE = (0.03, 0.8)
FREE_DEPARTURE = (0.25, 0.7)  # without the predictor
DEPARTURE = (0.4, 0.8)  # times the spread of the predictions
SLOPE = (1.0, 0.3)  # of a macro-F1; of another score, times 1 / spread of the predictions
SLOPE_UNKNOWN = 1.0  # the second number where the scale is not known
SLOPE_DOUBT = 0.3  # what the slope may be off by, as a share, beyond the fitted one
LEVEL = 0.15  # of a macro-F1: another dataset, other training
FREE_LEVEL = (0.5, 0.4)
WIDEST = 3.0  # no scale is fitted farther than this many of its own deviations from its first number
JITTER = 1e-6
LEAST_SPREAD = 0.02  # macro-F1
ENOUGH, CLOSE = 8, 0.01  # so many trials with a smaller standard deviation have less noise than a macro-F1
CANDIDATES = 768
REFINED = 384


@dataclass(frozen=True)
class Points:
    """Params as the model sees them."""

    at: np.ndarray  # [n, columns], each parameter 0 to 1 over what the study tunes
    predicted: np.ndarray  # [n], macro-F1 by the predictor

    def __len__(self) -> int:
        return len(self.predicted)

    def and_more(self, others: Points) -> Points:
        return Points(
            np.concatenate([self.at, others.at]), np.concatenate([self.predicted, others.predicted])
        )


@dataclass(frozen=True)
class Scores:
    """Scores as the models take them, higher is better: macro-F1 as it is, others standardised."""

    values: np.ndarray
    known: bool  # whether they are a macro-F1
    noise: float = NOISE[0]  # what one of them is thought to be off by before the fit, where it is a macro-F1

    @classmethod
    def of(cls, signed: np.ndarray, maximised: bool) -> Scores:
        """Of scores whose sign makes the higher the better; infinite ones count as the best or worst seen.

        From 0 to 1 and to maximise they are taken for a macro-F1, from 10 to 100 for one in percent. Not so
        where enough of them lie closer together than chance would have a macro-F1's.
        """
        finite = signed[np.isfinite(signed)].clip(-1e150, 1e150)
        values = np.clip(signed, finite.min(), finite.max())
        if maximised and finite.min() >= 0 and (finite.max() <= 1 or 10 < finite.max() <= 100):
            values = values / (1 if finite.max() <= 1 else 100)
            if len(finite) < ENOUGH or values.std() >= CLOSE:
                return cls(values, True)
        values = squeezed(values)
        spread = values.std()
        return cls((values - values.mean()) / (spread if spread > 0 else 1.0), False)


def squeezed(values: np.ndarray) -> np.ndarray:
    """Values with the worst of them brought near, in the same order (output warping, arXiv:2408.11527).

    One loss of 1e6 would make all others look alike. So what lies more than four times as far below the best
    as the median does is brought to less than five times as far.
    """
    best, lower = values.max(), np.quantile(values, 0.25, method="higher")
    unit = max(best - np.median(values), 0.1 * (best - lower)) or float(np.ptp(values)) or 1.0
    values = (values - best) / unit
    below = np.maximum(-4 - values, 0)
    return np.maximum(values, -4) - below / (1 + below)


class Model:
    """One of the two models, its scales fitted to the trials (maximum a posteriori)."""

    def __init__(self, seen: Points, scores: Scores, owner: np.ndarray, spread: float, follows: bool) -> None:
        self.owner, self.follows, self.known = owner, follows, scores.known
        self.noise = scores.noise
        self.centre = 0.0 if self.known else float(seen.predicted.mean())
        level = (0.0, LEVEL) if follows else FREE_LEVEL
        self.level_mean, self.level_sd = level if self.known else (0.0, 1.0)
        self.centres, self.widths = self._hyperpriors(spread)
        self.seen, self.scores = seen, scores.values
        self.gaps = self._gaps(seen, seen)
        self.scales, self.evidence = self._fitted()
        self._condition()

    def _hyperpriors(self, spread: float) -> tuple[np.ndarray, np.ndarray]:
        """Log-normal centres and widths of: slope, departure, noise, one length each."""
        slope = SLOPE if self.known else (1.0 / spread, SLOPE_UNKNOWN)
        departure = FREE_DEPARTURE if self.known else (1.0, FREE_DEPARTURE[1])
        if self.follows:
            departure = (DEPARTURE[0] * slope[0] * spread, DEPARTURE[1])
        noise = (self.noise if self.known else NOISE[0] / 0.25, NOISE[1])
        count = int(self.owner.max()) + 1
        length = (LENGTH[0] * count**0.5, LENGTH[1])
        both = [slope, departure, noise, *[length] * count]
        return np.log([one[0] for one in both]), np.array([one[1] for one in both])

    def _gaps(self, a: Points, b: Points) -> np.ndarray:
        """Squared distances by parameter [parameters, n of a, n of b]."""
        columns = (a.at[:, None, :] - b.at[None, :, :]) ** 2
        return np.stack([columns[:, :, self.owner == i].sum(-1) for i in range(int(self.owner.max()) + 1)])

    def _covariance(self, scales: np.ndarray, gaps: np.ndarray, a: Points, b: Points) -> np.ndarray:
        departure, lengths = scales[1], scales[3:]
        r = np.sqrt(5 * np.tensordot(lengths**-2.0, gaps, 1))
        covariance = departure**2 * (1 + r + r**2 / 3) * np.exp(-r) + self.level_sd**2
        if self.follows:
            doubt = SLOPE_DOUBT * scales[0]
            covariance = covariance + doubt**2 * np.outer(
                a.predicted - self.centre, b.predicted - self.centre
            )
        return covariance

    def _mean(self, scales: np.ndarray, points: Points) -> np.ndarray:
        slope = scales[0] if self.follows else 0.0
        return self.level_mean + slope * (points.predicted - self.centre)

    def _loss(self, moved: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior of the scales, and its gradient (Rasmussen & Williams 2006, eq. 5.8, 5.9).

        `moved` are the logs of the scales in deviations from their centres.
        """
        scales = np.exp(self.centres + self.widths * moved)
        slope, departure, noise, lengths = scales[0], scales[1], scales[2], scales[3:]
        n = len(self.seen)
        r = np.sqrt(5 * np.tensordot(lengths**-2.0, self.gaps, 1))
        decay = np.exp(-r)
        smooth = departure**2 * (1 + r + r**2 / 3) * decay
        around = self.seen.predicted - self.centre
        total = smooth + self.level_sd**2 + (noise**2 + JITTER) * np.eye(n)
        residual = self.scores - self.level_mean
        if self.follows:
            total += (SLOPE_DOUBT * slope) ** 2 * np.outer(around, around)
            residual = residual - slope * around
        try:
            root = np.linalg.cholesky(total)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(moved)
        weights = cho_solve((root, True), residual)
        inverse = cho_solve((root, True), np.eye(n))
        loss = 0.5 * residual @ weights + np.log(np.diag(root)).sum() + 0.5 * n * np.log(2 * np.pi)
        pull = 0.5 * (inverse - np.outer(weights, weights))  # of the loss, by each entry of `total`
        steep = departure**2 * 5 / 3 * (1 + r) * decay
        by_log = np.empty(len(scales))
        by_log[0] = 0.0
        if self.follows:
            by_log[0] = 2 * (SLOPE_DOUBT * slope) ** 2 * around @ pull @ around - slope * around @ weights
        by_log[1] = 2 * (pull * smooth).sum()
        by_log[2] = 2 * noise**2 * np.trace(pull)
        by_log[3:] = np.tensordot(self.gaps, pull * steep, 2) / lengths**2
        return float(loss + 0.5 * moved @ moved), by_log * self.widths + moved

    def _fitted(self) -> tuple[np.ndarray, float]:
        starts = [np.zeros(len(self.centres))]
        if len(self.seen) > 3:
            starts.append(np.r_[np.zeros(3), np.full(len(self.centres) - 3, -1.0)])
        best = min(
            (
                minimize(
                    self._loss,
                    start,
                    jac=True,
                    method="L-BFGS-B",
                    bounds=[(-WIDEST, WIDEST)] * len(start),
                    options={"maxiter": 40},
                )
                for start in starts
            ),
            key=lambda found: found.fun,
        )
        return np.exp(self.centres + self.widths * best.x), -float(best.fun)

    def _condition(self) -> None:
        total = self._covariance(self.scales, self.gaps, self.seen, self.seen)
        total[np.diag_indices(len(total))] += self.scales[2] ** 2 + JITTER
        self.root = np.linalg.cholesky(total)
        self.weights = cho_solve((self.root, True), self.scores - self._mean(self.scales, self.seen))

    def imagine(self, pending: Points) -> None:
        """Take trials under way as done, with the scores expected of them: the kriging believer.

        Ginsbourger, Le Riche and Carraro 2010, "Kriging is well-suited to parallelize optimization".
        """
        if len(pending):
            self.scores = np.r_[self.scores, self(pending)[0]]
            self.seen = self.seen.and_more(pending)
            self.gaps = self._gaps(self.seen, self.seen)
            self._condition()

    def __call__(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, noise left out."""
        cross = self._covariance(self.scales, self._gaps(self.seen, points), self.seen, points)
        own = self.scales[1] ** 2 + self.level_sd**2
        if self.follows:
            own = own + (SLOPE_DOUBT * self.scales[0] * (points.predicted - self.centre)) ** 2
        variance = own - (solve_triangular(self.root, cross, lower=True) ** 2).sum(0)
        mean = self._mean(self.scales, points) + cross.T @ self.weights
        return mean, np.sqrt(np.maximum(variance, 1e-10))


class StudyModel:
    """Both models, and how far the predictor is trusted."""

    def __init__(
        self,
        seen: Points,
        scores: Scores,
        columns: Sequence[str],
        spread: float,
        pending: Points | None = None,
    ) -> None:
        """`columns` names the parameter of each column, `spread` says how far predictions lie apart."""
        names = list(dict.fromkeys(columns))
        owner = np.array([names.index(name) for name in columns])
        self.models = [
            Model(seen, scores, owner, max(spread, LEAST_SPREAD), follows) for follows in (True, False)
        ]
        apart = self.models[0].evidence - self.models[1].evidence
        self.trust = float(1 / (1 + np.exp(-np.clip(apart, -50, 50)) / ODDS))  # that the predictor helps
        if pending is not None:
            for model in self.models:
                model.imagine(pending)
        self.best = [float(model(model.seen)[0].max()) for model in self.models]

    def __call__(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (noise left out) of the mixture of both models."""
        shares = np.array([[self.trust], [1 - self.trust]])
        means, sds = (np.stack(part) for part in zip(*(model(points) for model in self.models), strict=True))
        mean = (shares * means).sum(0)
        return mean, np.sqrt((shares * (sds**2 + (means - mean) ** 2)).sum(0))

    def improvement(self, points: Points, trust: float) -> np.ndarray:
        """Expected improvement (Jones et al. 1998) on the best mean among the trials, under both models."""
        total = np.zeros(len(points))
        for model, best, share in zip(self.models, self.best, (trust, 1 - trust), strict=True):
            if share > 0:
                mean, sd = model(points)
                z = (mean - best) / sd
                total += share * sd * (z * norm.cdf(z) + norm.pdf(z))
        return total


def climb(
    worth: Callable[[np.ndarray], np.ndarray], starts: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The positions, 0 to 1, of highest worth: of random ones and `starts`, then around the best."""
    positions = np.concatenate([starts, rng.random((CANDIDATES, starts.shape[1]))])
    scores = worth(positions)
    for reach in (0.15, 0.05, 0.02):
        best = np.argsort(-scores)[:32]
        parents = positions[best]
        children = np.repeat(parents, REFINED // 32, axis=0)
        moved = rng.random(children.shape) < 0.5
        children = np.clip(children + moved * rng.normal(0, reach, children.shape), 0, 1)
        jumped = rng.random(children.shape) < 0.05  # words have no neighbours: draw some anew
        children = np.where(jumped, rng.random(children.shape), children)
        positions = np.concatenate([parents, children])
        scores = np.concatenate([scores[best], worth(children)])
    return positions[int(np.argmax(scores))]
