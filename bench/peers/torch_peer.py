#!/usr/bin/env python3
"""The workloads of bench.c in PyTorch, as its manual would have them written.

Prints a line for each, as bench does:  NAME median_us min_us steps loss_first loss_last
With `-` for the workloads their names are read from standard input, one a line, and each is measured as it arrives;
a name that comes again is measured again, without being compiled anew."""
import argparse
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

MOST_STEPS = 20000


def half_mse(a, y):
    return 0.5 * functional.mse_loss(a, y)


def perceptron(batch, widths, activation, criterion, optimiser, **options):
    """A step's loss as a function without arguments, and what updates the parameters."""
    modules = []
    for fan_in, fan_out in zip(widths, widths[1:]):
        modules += [nn.Linear(fan_in, fan_out), activation()]
    network = nn.Sequential(*modules[:-1])
    x = torch.rand(batch, widths[0])
    if criterion is functional.cross_entropy:
        y = torch.randint(widths[-1], (batch,))
    else:
        y = torch.rand(batch, widths[-1])

    def loss():
        return criterion(network(x), y)

    return loss, optimiser(network.parameters(), **options)


def chain(**options):
    p = nn.Parameter(torch.tensor(1.0))
    c = torch.tensor(0.999)

    def loss():
        z = p
        for _ in range(500):
            z = (z + c) * c
        return z

    return loss, torch.optim.SGD([p], lr=1e-9, **options)


def pointwise(**options):
    x = nn.Parameter(torch.randn(1 << 22))
    a, b, c = [nn.Parameter(torch.tensor(value)) for value in (0.5, 0.1, -0.3)]

    def loss():
        return (torch.tanh(a * x + b) * torch.sigmoid(c * x)).sum()

    return loss, torch.optim.SGD([x, a, b, c], lr=1e-9, **options)


def xor(**options):
    return perceptron(4, [2, 8, 1], nn.Tanh, half_mse, torch.optim.SGD, lr=0.5, **options)


def mlp_seed(**options):
    return perceptron(10, [784, 100, 10], nn.Sigmoid, half_mse, torch.optim.SGD, lr=0.5, weight_decay=1e-4, **options)


def mlp(**options):
    return perceptron(64, [784, 256, 128, 10], nn.ReLU, functional.cross_entropy, torch.optim.SGD, lr=0.1, **options)


def mlp_wide(**options):
    return perceptron(256, [1024] * 4, nn.ReLU, half_mse, torch.optim.Adam, lr=1e-3, **options)


WORKLOADS = {f.__name__: f for f in (xor, mlp_seed, mlp, mlp_wide, chain, pointwise)}


class Training:
    def __init__(self, name, arguments):
        torch.manual_seed(1)
        self.loss, self.optimiser = WORKLOADS[name](**({'fused': True} if arguments.fused else {}))
        if arguments.compile:
            # The perceptrons share their code: without the reset one is compiled as another of unknown sizes.
            torch._dynamo.reset()
            self.loss = torch.compile(self.loss, dynamic=False)
        self.first = self.step().item()
        for _ in range(3):
            self.step()

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        self.optimiser.step()
        return loss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--threads', type=int, default=1, metavar='N')
    parser.add_argument('--seconds', type=float, default=2, metavar='S', help='for each workload')
    parser.add_argument('--compile', action='store_true', help='forward and backward through torch.compile')
    parser.add_argument('--fused', action='store_true', help="the optimisers' fused=True, which is not their default")
    parser.add_argument('workload', nargs='*', help=' '.join(WORKLOADS) + ' (all), or -')
    arguments = parser.parse_args()
    names = arguments.workload or list(WORKLOADS)
    torch.set_num_threads(arguments.threads)
    print('# PyTorch %s, %s%s, %s, threads: %d' % (torch.__version__, 'compiled' if arguments.compile else 'eager',
                                                   ', fused optimisers' if arguments.fused else '',
                                                   torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()),
          flush=True)
    training, trained = None, None
    for name in (line.strip() for line in sys.stdin) if names == ['-'] else names:
        if name not in WORKLOADS:
            parser.error('no workload "%s" (%s)' % (name, ' '.join(WORKLOADS)))
        if name != trained:
            training = None
            training, trained = Training(name, arguments), name
        times = []
        end = time.perf_counter() + arguments.seconds
        while not times or time.perf_counter() < end and len(times) < MOST_STEPS:
            start = time.perf_counter()
            loss = training.step()
            times.append(1e6 * (time.perf_counter() - start))
        print('%-10s %12.2f %12.2f %6d %9.5f %9.5f' % (name, statistics.median(times), min(times), len(times),
                                                       training.first, loss.item()), flush=True)


main()
