#!/usr/bin/env python3
"""The workloads of bench.c in JAX. Loss, gradients and update are one jitted function that may reuse the memory of
its parameters.

Prints a line for each, as bench does:  NAME median_us min_us steps loss_first loss_last
With `-` for the workloads their names are read from standard input, one a line, and each is measured as it arrives;
a name that comes again is measured again, without being compiled anew."""
import argparse
import os
import statistics
import sys
import time

MOST_STEPS = 20000
NAMES = ['xor', 'mlp_seed', 'mlp', 'mlp_wide', 'chain', 'pointwise']


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--threads', type=int, default=1, metavar='N')
    parser.add_argument('--seconds', type=float, default=2, metavar='S', help='for each workload')
    parser.add_argument('workload', nargs='*', help=' '.join(NAMES) + ' (all), or -')
    return parser, parser.parse_args()


PARSER, ARGUMENTS = arguments_of()
# XLA has as many threads as the process has cores when it is loaded; there is no option.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:max(ARGUMENTS.threads, 1)])
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import numpy as np
from jax import numpy as jnp

RANDOM = None  # begins anew with every workload


def uniform(*shape):
    return jnp.asarray(RANDOM.random(shape, np.float32))


def half_mse(a, y):
    return 0.5 * jnp.mean((a - y) ** 2)


def cross_entropy(a, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(a), y[:, None], axis=1))


# An optimiser is a pair: its state for some parameters, and (parameters, gradients, state) -> (parameters, state).

def sgd(lr, weight_decay=0.0):
    def update(parameters, gradients, state):
        return jax.tree.map(lambda p, g: p - lr * (g + weight_decay * p), parameters, gradients), state

    return lambda parameters: (), update


def adam(lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    def state_of(parameters):
        return jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(())

    def update(parameters, gradients, state):
        mean, square, t = state
        t = t + 1
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradients)
        square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, gradients)
        by_mean, by_square = 1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t)
        parameters = jax.tree.map(lambda p, m, v: p - lr * (m * by_mean) / (jnp.sqrt(v * by_square) + epsilon),
                                  parameters, mean, square)
        return parameters, (mean, square, t)

    return state_of, update


# A workload is its parameters, its loss as a function of them and of the data, the data, and the optimiser.

def perceptron(batch, widths, activation, criterion, optimiser):
    layers = [{'w': (2 * uniform(i, o) - 1) / np.sqrt(i), 'b': jnp.zeros(o)} for i, o in zip(widths, widths[1:])]
    if criterion is cross_entropy:
        y = jnp.asarray(RANDOM.integers(widths[-1], size=batch))
    else:
        y = uniform(batch, widths[-1])

    def loss(layers, x, y):
        for layer in layers[:-1]:
            x = activation(x @ layer['w'] + layer['b'])
        return criterion(x @ layers[-1]['w'] + layers[-1]['b'], y)

    return layers, loss, (uniform(batch, widths[0]), y), optimiser


def chain():
    def loss(p, c):
        for _ in range(500):
            p = (p + c) * c
        return p

    return jnp.float32(1), loss, (jnp.float32(0.999),), sgd(1e-9)


def pointwise():
    def loss(p):
        return jnp.sum(jnp.tanh(p['a'] * p['x'] + p['b']) * jax.nn.sigmoid(p['c'] * p['x']))

    parameters = {'a': jnp.float32(0.5), 'b': jnp.float32(0.1), 'c': jnp.float32(-0.3)}
    parameters['x'] = jnp.asarray(RANDOM.standard_normal(1 << 22, np.float32))
    return parameters, loss, (), sgd(1e-9)


WORKLOADS = {
    'xor': lambda: perceptron(4, [2, 8, 1], jnp.tanh, half_mse, sgd(0.5)),
    'mlp_seed': lambda: perceptron(10, [784, 100, 10], jax.nn.sigmoid, half_mse, sgd(0.5, 1e-4)),
    'mlp': lambda: perceptron(64, [784, 256, 128, 10], jax.nn.relu, cross_entropy, sgd(0.1)),
    'mlp_wide': lambda: perceptron(256, [1024] * 4, jax.nn.relu, half_mse, adam(1e-3)),
    'chain': chain,
    'pointwise': pointwise,
}


class Training:
    def __init__(self, name):
        global RANDOM
        RANDOM = np.random.default_rng(1)
        self.parameters, loss, self.data, (state_of, update) = WORKLOADS[name]()
        self.state = state_of(self.parameters)

        def step(parameters, state, *data):
            value, gradients = jax.value_and_grad(loss)(parameters, *data)
            return (*update(parameters, gradients, state), value)

        self.jitted = jax.jit(step, donate_argnums=(0, 1))
        self.first = float(self.step())
        for _ in range(3):
            self.step()

    def step(self):
        self.parameters, self.state, loss = self.jitted(self.parameters, self.state, *self.data)
        jax.block_until_ready((self.parameters, self.state, loss))
        return loss


def main():
    names = ARGUMENTS.workload or NAMES
    print('# JAX %s, jitted, threads: %d' % (jax.__version__, len(os.sched_getaffinity(0))), flush=True)
    training, trained = None, None
    for name in (line.strip() for line in sys.stdin) if names == ['-'] else names:
        if name not in WORKLOADS:
            PARSER.error('no workload "%s" (%s)' % (name, ' '.join(NAMES)))
        if name != trained:
            training = None
            training, trained = Training(name), name
        times = []
        end = time.perf_counter() + ARGUMENTS.seconds
        while not times or time.perf_counter() < end and len(times) < MOST_STEPS:
            start = time.perf_counter()
            loss = training.step()
            times.append(1e6 * (time.perf_counter() - start))
        print('%-10s %12.2f %12.2f %6d %9.5f %9.5f' % (name, statistics.median(times), min(times), len(times),
                                                       training.first, float(loss)), flush=True)


main()
