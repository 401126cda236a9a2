"""The linear system against a float64 direct solution, and the two solvers against each other."""

from __future__ import annotations

import numpy as np
import pytest
from walkcases import direct, prior_of, problem

from ACSegLib import Cancelled, Progress
from ACSegLib.errors import MemoryLimitError
from ACSegLib.fill.constants import TOLERANCE
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import CpuSolver, TorchSolver


@pytest.mark.parametrize("gamma", [1.0, 0.05, 0.005])
@pytest.mark.parametrize("weights", [(1, 1, 1), (0.04, 1, 0.25)])
@pytest.mark.parametrize("edges", ["differences", "walls", "given"])
@pytest.mark.parametrize("solver", [CpuSolver(), TorchSolver("cpu")], ids=["compiled", "torch"])
def test_probabilities_are_those_of_a_direct_solution(solver, gamma, weights, edges) -> None:
    p = problem(gamma=gamma, weights=weights, holes=gamma == 0.05, walls=edges == "walls", given=edges == "given")
    prior = prior_of(p, 3)[1:]
    x, iterations = solver.solve(p, [1, 2], prior, prior.copy(), TOLERANCE, Progress())
    assert iterations > 0
    assert np.abs(x - direct(p, [1, 2], prior)).max() <= 1e-3


def test_torch_and_compiled_loops_give_the_same_labels() -> None:
    p = problem((16, 40, 44), gamma=0.1)
    prior = prior_of(p, 3)
    answers = [
        s.solve(p, [0, 1, 2], prior, prior.copy(), TOLERANCE, Progress())[0] for s in (CpuSolver(), TorchSolver("cpu"))
    ]
    same = np.mean(answers[0].argmax(0) == answers[1].argmax(0))
    assert same >= 0.9999


def test_seeds_are_fixed_and_probabilities_sum_to_one() -> None:
    p = problem()
    prior = prior_of(p, 3)
    x, _ = CpuSolver().solve(p, [0, 1, 2], prior, prior.copy(), 1e-4, Progress())
    for c in range(3):
        assert np.array_equal(x[c][p.seeds >= 0], (p.seeds[p.seeds >= 0] == c).astype(np.float32))
    assert np.allclose(x.sum(0), 1, atol=1e-3)


def test_one_dimensional_walk_has_its_textbook_solution() -> None:
    """Without a prior, along a uniform line between two seeds, the probability falls linearly (gambler's ruin)."""
    seeds = np.full((11, 2, 2), -1, np.int16)
    seeds[0], seeds[-1] = 1, 0
    p = SlabProblem(
        np.zeros(seeds.shape, np.float32), seeds, np.ones(seeds.shape, bool), 1.0, 1e-5, np.ones(3, np.float32)
    )
    prior = np.full((1, *seeds.shape), 0.5, np.float32)
    x, _ = CpuSolver().solve(p, [1], prior, prior.copy(), 1e-3, Progress())
    assert np.allclose(x[0, :, 0, 0], np.linspace(1, 0, 11), atol=1e-3)


def test_the_same_input_gives_the_same_bits() -> None:
    p = problem((12, 30, 31), gamma=0.02)
    prior = prior_of(p, 2)
    first = CpuSolver().solve(p, [0, 1], prior, prior.copy())[0]
    again = CpuSolver().solve(p, [0, 1], prior, prior.copy())[0]
    assert first.tobytes() == again.tobytes()


def test_a_cancelled_solve_stops() -> None:
    p = problem()
    prior = prior_of(p, 1)
    with pytest.raises(Cancelled):
        CpuSolver().solve(p, [1], prior, prior.copy(), 1e-3, Progress(cancelled=lambda: True))


def test_a_slab_that_does_not_fit_on_the_device_is_solved_by_the_processor_or_refused(monkeypatch) -> None:
    torch = pytest.importorskip("torch")

    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TorchSolver, "_system", too_large)
    p = problem((6, 12, 12))
    prior = prior_of(p, 1)
    expected = CpuSolver().solve(p, [1], prior, prior.copy(), TOLERANCE)[0]
    solver = TorchSolver("cpu", fallback=CpuSolver())
    assert solver.solve(p, [1], prior, prior.copy(), TOLERANCE)[0].tobytes() == expected.tobytes()
    assert "cpu where memory ran out" in solver.name
    with pytest.raises(MemoryLimitError, match="--device auto"):
        TorchSolver("cpu").solve(p, [1], prior, prior.copy(), TOLERANCE)


@pytest.mark.cuda
def test_cuda_gives_the_same_labels() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    p = problem((16, 60, 64), gamma=0.1)
    prior = prior_of(p, 3)
    cpu = CpuSolver().solve(p, [0, 1, 2], prior, prior.copy())[0]
    gpu = TorchSolver("cuda").solve(p, [0, 1, 2], prior, prior.copy(), TOLERANCE, Progress())[0]
    assert np.mean(cpu.argmax(0) == gpu.argmax(0)) >= 0.9999
