from __future__ import annotations

import threading

import pytest
import torch

from ParetoSegLib.method.pareto import Balance
from Testing.method.small_network import batch, every_mode, gradients, losses_of, network


def in_processes(count, work):
    """Run ``work(rank, average)`` in threads that all-reduce with each other."""
    barrier = threading.Barrier(count, timeout=30)
    board: list = [None] * count
    failures = []

    def average_as(rank):
        def average(tensors):
            board[rank] = [t.clone() for t in tensors]
            barrier.wait()
            means = [torch.stack(same).mean(0) for same in zip(*board, strict=True)]
            barrier.wait()
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean)

        return average

    def run(rank):
        try:
            work(rank, average_as(rank))
        except BaseException as error:
            barrier.abort()
            failures.append(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@every_mode
def test_processes_together_do_what_one_does(mode):
    """The same global batch; in some steps one process, or both, have no boundary."""
    steps = 7

    def data(step):
        images, mu = batch(step, size=2)
        if step in (2, 5):
            mu[1] = mu[1].round()
        if step == 4:
            mu = mu.round()
        return images, mu

    net = network()
    alone = Balance(mode, net.parameters())
    expected = []
    for step in range(steps):
        record = alone.backward(losses_of(net, *data(step)), 0.4)
        expected.append((record, gradients(net)))
    found: list[list] = [[], []]

    def work(rank, average):
        net = replicas[rank]
        balance = Balance(mode, net.parameters(), average)
        for step in range(steps):
            images, mu = data(step)
            part = slice(rank, rank + 1)
            record = balance.backward(losses_of(net, images[part], mu[part]), 0.4)
            found[rank].append((record, gradients(net)))

    replicas = [network(), network()]
    in_processes(2, work)
    for one, first, second in zip(expected, *found, strict=True):
        assert first[0] == second[0]
        torch.testing.assert_close(first[1], second[1], rtol=0, atol=0)
        torch.testing.assert_close(first[1], one[1], rtol=1e-3, atol=1e-5)
        for key, value in vars(one[0]).items():
            wanted = value if value is None else pytest.approx(value, rel=1e-3, abs=1e-5)
            assert vars(first[0])[key] == wanted, key
