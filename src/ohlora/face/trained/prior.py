"""Standard normal numbers <-> the latents faces have: a normalising flow, fitted once a VAE is trained.

A VAE's latents are not normal, though its KL asks for it: glasses are there or not, hues come in a few
kinds. Who is drawn from a normal distribution is then nobody, and looks like the mean. The density is fitted
afterwards (arXiv:1903.12436), by affine couplings, which can be gone through both ways (arXiv:1605.08803).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

COUPLINGS, HIDDEN = 12, 64
LARGEST = 2.0  # logarithm of what one coupling may scale by
BATCH, LEARNING_RATE, WEIGHT_DECAY = 256, 3e-3, 0.1
LARGEST_GRADIENT = 10.0


class Coupling(nn.Module):
    """An affine coupling layer (RealNVP, arXiv:1605.08803) after a fixed random rotation.

    Half of the rotated numbers are scaled and shifted by a network of the other half; the identity before
    it is trained.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.kept = latent // 2
        moved = latent - self.kept
        self.told = nn.Sequential(  # a name that weights files have
            nn.Linear(self.kept, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, 2 * moved),
        )
        last = self.told[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.register_buffer("angle", torch.linalg.qr(torch.randn(latent, latent))[0])

    angle: Tensor

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those that stay, those that move, and by what: logarithm of the scale, and shift."""
        stay, move = (x @ self.angle).split([self.kept, self.angle.shape[0] - self.kept], dim=1)
        scale, shift = self.told(stay).chunk(2, dim=1)
        return stay, move, LARGEST * torch.tanh(scale / LARGEST), shift

    def forward(self, z: Tensor) -> Tensor:
        stay, move, scale, shift = self.halves(z)
        return torch.cat([stay, move * scale.exp() + shift], dim=1) @ self.angle.T

    def back(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What gives `x`, and the logarithm of the determinant of that step, [n]."""
        stay, move, scale, shift = self.halves(x)
        return torch.cat([stay, (move - shift) * (-scale).exp()], dim=1) @ self.angle.T, -scale.sum(dim=1)


class Prior(nn.Module):
    """A normalising flow, standard normal z [n, latent] -> latents of faces; the identity before `fit`.

    Latents are whitened before the couplings, which then have only shapes to learn.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(latent) for _ in range(COUPLINGS if latent > 1 else 0))
        self.register_buffer("scale", torch.eye(latent))
        self.register_buffer("shift", torch.zeros(latent))
        self.register_buffer("width", torch.ones(()))  # of the normal distribution people are drawn from

    scale: Tensor
    shift: Tensor
    width: Tensor

    def forward(self, z: Tensor) -> Tensor:
        x = self.width * z
        for coupling in self.couplings:
            x = coupling(x)
        return x @ self.scale.T + self.shift

    def back(self, latents: Tensor) -> Tensor:
        """The standard normal numbers [n, latent] that give these latents."""
        return self.flattened(self.whitened(latents))[0] / self.width

    def whitened(self, latents: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.scale, (latents - self.shift).T, upper=False).T

    def flattened(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Whitened latents without their shape, and the logarithm of the determinant, [n]."""
        determinant = x.new_zeros(len(x))
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            x, change = coupling.back(x)
            determinant = determinant + change
        return x, determinant

    def negative_log_likelihood(self, latents: Tensor) -> Tensor:
        """Of latents, after whitening, nats [n]."""
        z, determinant = self.flattened(self.whitened(latents))
        return 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1) - determinant

    def fit(self, means: Tensor, log_variances: Tensor, steps: int, seed: int) -> None:
        """Learn where faces lie: their posteriors' `means` and `log_variances`, float32 [n, latent]."""
        spread = (0.5 * log_variances).exp()
        total = torch.cov(means.double().T) + spread.double().square().mean(dim=0).diag()
        self.scale.copy_(torch.linalg.cholesky(total))
        self.shift.copy_(means.mean(dim=0))
        self.width.fill_(1.0)
        drawn = torch.Generator().manual_seed(seed)
        weights = list(self.couplings.parameters())
        if not weights:
            return
        for weight in weights:
            weight.requires_grad_(True)
        optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
        with torch.enable_grad():
            for _ in range(steps):
                rows = torch.randint(len(means), (BATCH,), generator=drawn).to(means.device)
                noise = torch.randn(BATCH, means.shape[1], generator=drawn).to(means.device)
                loss = self.negative_log_likelihood(means[rows] + spread[rows] * noise).mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(weights, LARGEST_GRADIENT)
                optimizer.step()
                schedule.step()
        for weight in weights:
            weight.requires_grad_(False)
