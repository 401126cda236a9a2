"""The random walk in PyTorch, for CUDA devices and any other that PyTorch knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.walk.random_walk import SlabProblem, System
from ACSegLib.fill.walk.sparse_system import SparseProblem


class TorchSystem(System):
    """The scaled system as three weight tensors on a device; x is the start plus a scaled correction."""

    def __init__(self, problem: SlabProblem, prior: np.ndarray, start: np.ndarray, device: Any) -> None:
        import torch

        self._torch, self._device = torch, device
        self._x = torch.from_numpy(start).to(device)
        self._weights, total = self._edge_weights(problem)
        free = torch.from_numpy(problem.seeds).to(device) < 0
        self._scale = torch.where(free, total.rsqrt(), torch.zeros_like(total))
        flow = problem.gamma * torch.from_numpy(prior).to(device) - total * self._x + self._neighbours(self._x)
        self._residual = self._scale * flow
        for axis, weight in enumerate(self._weights):
            n = weight.shape[axis]
            weight *= self._scale.narrow(axis, 0, n) * self._scale.narrow(axis, 1, n)
        self._correction = torch.zeros_like(self._x)
        self._direction = self._residual.clone()
        self._product = self._residual

    def _edge_weights(self, problem: SlabProblem) -> tuple[list[Any], Any]:
        """Weights to the next voxel along each axis, and the diagonal of the system."""
        torch = self._torch
        image = torch.from_numpy(problem.edges).to(self._device)
        valid = torch.from_numpy(problem.valid).to(self._device)
        weights, given = [], problem.given_weights()
        total = torch.full_like(image, problem.gamma)
        for axis in range(3):
            n = image.shape[axis] - 1
            if given is not None:
                weight = torch.from_numpy(given[axis]).to(self._device).narrow(axis, 0, n).clone()
            else:
                near, far = image.narrow(axis, 0, n), image.narrow(axis, 1, n)
                both = valid.narrow(axis, 0, n) & valid.narrow(axis, 1, n)
                between = torch.maximum(near, far) if problem.walls else far - near
                weight = torch.exp(-problem.beta * between**2) + constants.MIN_EDGE_WEIGHT
                weight = weight * float(problem.axis_weights[axis]) * both
            total.narrow(axis, 0, n).add_(weight)
            total.narrow(axis, 1, n).add_(weight)
            weights.append(weight)
        return weights, total

    def _neighbours(self, x: Any) -> Any:
        """Weighted sum of each voxel's neighbours."""
        out = x.new_zeros(x.shape)
        for axis, weight in enumerate(self._weights):
            n = x.shape[axis + 1] - 1
            out.narrow(axis + 1, 0, n).add_(weight * x.narrow(axis + 1, 1, n))
            out.narrow(axis + 1, 1, n).add_(weight * x.narrow(axis + 1, 0, n))
        return out

    def _dots(self, a: Any, b: Any) -> np.ndarray:
        """Inner products of each class, summed in float64 where the device has it."""
        wide = self._torch.float32 if self._device.type == "mps" else self._torch.float64
        return (a * b).sum(dim=(1, 2, 3), dtype=wide).cpu().numpy().astype(np.float64)

    def _factors(self, values: np.ndarray) -> Any:
        return self._torch.from_numpy(values).to(self._device).view(-1, 1, 1, 1)

    def squared_norms(self) -> np.ndarray:
        """See `System`."""
        return self._dots(self._residual, self._residual)

    def largest_residuals(self) -> np.ndarray:
        """See `System`."""
        safe = self._torch.where(self._scale > 0, self._scale, self._torch.ones_like(self._scale))
        return np.asarray((self._residual.abs() / safe).amax(dim=(1, 2, 3)).cpu().numpy())

    def multiply(self, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        self._product = self._direction - self._neighbours(self._direction)
        return self._dots(self._direction, self._product)

    def step(self, alpha: np.ndarray, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        factors = self._factors(alpha)
        self._correction += factors * self._direction
        self._residual = self._residual - factors * self._product
        return self.squared_norms()

    def renew_direction(self, beta: np.ndarray, active: np.ndarray) -> None:
        """See `System`."""
        self._direction = self._residual + self._factors(np.where(active, beta, np.float32(0))) * self._direction

    def write(self, out: np.ndarray) -> None:
        """See `System`."""
        out[...] = (self._x + self._scale * self._correction).clamp_(0, 1).cpu().numpy()


class SparseTorchSystem(TorchSystem):
    """The same for a list of free voxels (see `sparse_system`), as tensors (R, 1, 1, n)."""

    def __init__(
        self, problem: SparseProblem, prior: np.ndarray, start: np.ndarray, classes: Sequence[int], device: Any
    ) -> None:
        import torch

        self._torch, self._device = torch, device
        self._x, wanted = (torch.from_numpy(a).to(device)[:, None, None] for a in (start, prior))
        edges, others = (torch.from_numpy(a).to(device) for a in (problem.weights, problem.neighbours.astype(np.int64)))
        free = others >= 0
        total = problem.gamma + edges.sum(dim=1)
        self._scale = total.rsqrt()
        self._places, self._edges = torch.where(free, others, 0), torch.where(free, edges, 0)
        ends = torch.stack([torch.where(others == -1 - c, edges, 0).sum(dim=1) for c in classes])[:, None, None]
        flow = problem.gamma * wanted - total * self._x + self._neighbours(self._x) + ends
        self._residual = self._scale * flow
        self._edges = self._edges * self._scale[:, None] * self._scale[self._places]
        self._correction = torch.zeros_like(self._x)
        self._direction = self._residual.clone()
        self._product = self._residual

    def _neighbours(self, x: Any) -> Any:
        out = self._torch.zeros_like(x)
        for edge in range(self._edges.shape[1]):
            out += self._edges[:, edge] * x[..., self._places[:, edge]]
        return out

    def write(self, out: np.ndarray) -> None:
        """See `System`; `out` is (R, n)."""
        super().write(out[:, None, None])
