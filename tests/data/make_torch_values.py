"""Writes torch_values.h: values, gradients and trajectories that test_training.c compares with.

    python make_torch_values.py > torch_values.h

Needs PyTorch (2.15.0, CPU, was used). All in f64; inputs and parameters come from the generator of
fill.h. Two choices differ from PyTorch's defaults: softplus without its threshold, and clipping by
min(1, max / norm) without the 1e-6 that clip_grad_norm_ adds to the norm.
"""

import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

STEPS = 20
MAX_NORM = 0.05


def fill(seed, shape, scale=1.0):
    values = []
    for _ in range(math.prod(shape)):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(scale * ((seed >> 11) * 2.0**-53 * 2 - 1))
    return torch.tensor(values).reshape(shape)


def fill_classes(seed, shape, classes):
    return ((fill(seed, shape) * 0.5 + 0.5) * classes).to(torch.int64)


# ---- Networks: parameters (name, shape, scale) in an order, inputs by seeds, a loss --------------


def mlp(p):
    x, y = fill(1, (8, 5)), fill(2, (8, 3), 0.5) + 0.5
    h = torch.sigmoid(x @ p["hidden/w"] + p["hidden/b"])
    a = torch.sigmoid(h @ p["output/w"] + p["output/b"])
    return 0.5 * F.mse_loss(a, y)


def relu(p):
    x, classes = fill(3, (8, 6)), fill_classes(4, (8,), 4)
    h = torch.relu(x @ p["hidden/w"] + p["hidden/b"])
    return F.cross_entropy(h @ p["output/w"] + p["output/b"], classes)


def rnn(p):
    x, y = fill(5, (6, 3, 3)), fill(6, (3, 2))
    h = torch.zeros(3, 4)
    for t in range(6):
        h = torch.tanh(x[t] @ p["cell/wx"] + h @ p["cell/wh"] + p["cell/b"])
    return 0.5 * F.mse_loss(h @ p["output/w"] + p["output/b"], y)


def attention(p):
    x, classes = fill(7, (3, 5, 4)), fill_classes(8, (3, 5), 3)
    n = F.layer_norm(x, (4,), p["norm/gamma"], p["norm/beta"], eps=1e-5)
    q, k, v = n @ p["q/w"], n @ p["k/w"], n @ p["v/w"]
    share = torch.softmax(q @ k.transpose(-1, -2) / 2, dim=-1)
    r = x + (share @ v) @ p["o/w"]
    return F.cross_entropy((r @ p["head/w"] + p["head/b"]).reshape(15, 3), classes.reshape(15))


NETWORKS = [
    (mlp, [("hidden/w", (5, 7)), ("hidden/b", (7,)), ("output/w", (7, 3)), ("output/b", (3,))]),
    (relu, [("hidden/w", (6, 8)), ("hidden/b", (8,)), ("output/w", (8, 4)), ("output/b", (4,))]),
    (rnn, [("cell/wx", (3, 4)), ("cell/wh", (4, 4)), ("cell/b", (4,)),
           ("output/w", (4, 2)), ("output/b", (2,))]),
    (attention, [("norm/gamma", (4,)), ("norm/beta", (4,)),
                 ("q/w", (4, 4)), ("k/w", (4, 4)), ("v/w", (4, 4)), ("o/w", (4, 4)),
                 ("head/w", (4, 3)), ("head/b", (3,))]),
]

# ---- Optimisers ----------------------------------------------------------------------------------

OPTIMISERS = [
    ("sgd", lambda p: torch.optim.SGD(p, lr=0.5)),
    ("momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    ("nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    ("weight_decay", lambda p: torch.optim.SGD(p, lr=0.3, weight_decay=0.02)),
    ("adam", lambda p: torch.optim.Adam(p, lr=0.02)),
    ("adamw", lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6,
                                          weight_decay=0.1)),
    ("clip_norm", lambda p: torch.optim.SGD(p, lr=0.5)),
]


def clip(parameters):
    norm = math.sqrt(sum(float((q.grad**2).sum()) for q in parameters))
    for q in parameters:
        q.grad *= min(1.0, MAX_NORM / norm)
    return norm > MAX_NORM


def start(shapes):
    return {n: fill(100 + i, shape, 0.7).requires_grad_() for i, (n, shape) in enumerate(shapes)}


def train(network, shapes, optimiser, make):
    p = start(shapes)
    step, losses, clipped = make(list(p.values())), [], 0
    for _ in range(STEPS):
        step.zero_grad()
        loss = network(p)
        loss.backward()
        if optimiser == "clip_norm":
            clipped += clip(list(p.values()))
        step.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert optimiser != "clip_norm" or clipped > 0
    return losses, torch.cat([q.detach().reshape(-1) for q in p.values()]).tolist()


# ---- Functions: y and the gradient of sum(y c) ---------------------------------------------------

SPECIAL = torch.tensor([-40.0, -20.0, -1e-3, -1e-9, 1e-9, 1e-3, 20.0, 40.0])
WIDE = torch.cat([fill(20, (41,), 4), SPECIAL]).reshape(7, 7)
POSITIVE = fill(21, (7, 7)) + 1.5
NEAR = fill(22, (7, 7), 3)
SCORES = fill(26, (7, 7))
INPUTS = {"wide": WIDE, "positive": POSITIVE, "near": NEAR, "scores": SCORES}

FUNCTIONS = [
    ("sigmoid", WIDE, torch.sigmoid),
    ("log_sigmoid", WIDE, F.logsigmoid),
    ("softplus", WIDE, lambda x: F.softplus(x, threshold=500)),
    ("relu", WIDE, F.relu),
    ("leaky_relu", WIDE, lambda x: F.leaky_relu(x, 0.1)),
    ("elu", WIDE, lambda x: F.elu(x, 0.7)),
    ("silu", WIDE, F.silu),
    ("gelu", NEAR, F.gelu),
    ("gelu_tanh", NEAR, lambda x: F.gelu(x, approximate="tanh")),
    ("tanh", WIDE, torch.tanh),
    ("erf", NEAR, torch.erf),
    ("exp", WIDE, torch.exp),
    ("expm1", WIDE, torch.expm1),
    ("log", POSITIVE, torch.log),
    ("log1p", POSITIVE, torch.log1p),
    ("sqrt", POSITIVE, torch.sqrt),
    ("rsqrt", POSITIVE, torch.rsqrt),
    ("sin", WIDE, torch.sin),
    ("cos", WIDE, torch.cos),
    ("softmax", WIDE, lambda x: torch.softmax(x, -1)),
    ("softmax_0", WIDE, lambda x: torch.softmax(x, 0)),
    ("log_softmax", WIDE, lambda x: torch.log_softmax(x, -1)),
    ("logsumexp", WIDE, lambda x: torch.logsumexp(x, -1)),
    ("logsumexp_all", WIDE, lambda x: torch.logsumexp(x, (0, 1))),
    ("mean", WIDE, lambda x: x.mean(0)),
    ("var", WIDE, lambda x: x.var(-1, unbiased=False)),
    ("max", WIDE, lambda x: x.amax(-1)),
    ("min", WIDE, lambda x: x.amin(0)),
    ("mse", WIDE, lambda x: 0.5 * F.mse_loss(x, fill(23, (7, 7)))),
    ("cross_entropy", WIDE, lambda x: F.cross_entropy(x, fill_classes(24, (7,), 7))),
    ("cross_entropy_soft", WIDE,
     lambda x: F.cross_entropy(x, torch.softmax(fill(25, (7, 7), 2), -1))),
    ("accuracy", SCORES,
     lambda x: (x.argmax(-1) == fill_classes(27, (7,), 3)).double().mean() + 0 * x.sum()),
]


def function(x, f):
    x = x.clone().requires_grad_()
    y = f(x)
    (y * fill(30, tuple(y.shape))).sum().backward()
    return y.reshape(-1).tolist(), x.grad.reshape(-1).tolist()


# ---- The header ----------------------------------------------------------------------------------


def array(name, values):
    print(f"static const double {name}[] = {{")
    for i in range(0, len(values), 4):
        print("    " + " ".join(v.hex() + "," for v in values[i : i + 4]))
    print("};")


version = torch.__version__.split("+")[0]
print(f"""/* Written by make_torch_values.py with PyTorch {version}; do not edit. */
/* clang-format off */
#include <stdint.h>

enum {{ TORCH_STEPS = {STEPS} }};

#define TORCH_MAX_NORM {MAX_NORM}

typedef struct torch_parameter {{
    const char *name;
    int64_t count;
}} torch_parameter;

typedef struct torch_network {{
    const char *name;
    int parameter_count;
    const torch_parameter *parameter;
    const double *gradient; /* of all parameters, one after the other, before the first step */
}} torch_network;

typedef struct torch_run {{
    const char *network, *optimiser;
    const double *losses, *last; /* all parameters after the last step */
}} torch_run;

typedef struct torch_function {{
    const char *name;
    int64_t y_count;
    const double *x; /* [7,7] */
    const double *y, *gradient; /* of sum(y c), c by fill() with seed 30 */
}} torch_function;
""")

runs = []
for network, shapes in NETWORKS:
    name = network.__name__
    print(f"static const torch_parameter torch_{name}[] = {{")
    for parameter, shape in shapes:
        print(f'    {{ "{parameter}", {math.prod(shape)} }},')
    print("};")
    p = start(shapes)
    network(p).backward()
    array(f"torch_{name}_gradient", torch.cat([q.grad.reshape(-1) for q in p.values()]).tolist())
    for optimiser, make in OPTIMISERS:
        losses, last = train(network, shapes, optimiser, make)
        array(f"torch_{name}_{optimiser}_losses", losses)
        array(f"torch_{name}_{optimiser}_last", last)
        runs.append((name, optimiser))

print("\nstatic const torch_network torch_networks[] = {")
for network, shapes in NETWORKS:
    n = network.__name__
    print(f'    {{ "{n}", {len(shapes)}, torch_{n}, torch_{n}_gradient }},')
print("};\n\nstatic const torch_run torch_runs[] = {")
for n, o in runs:
    print(f'    {{ "{n}", "{o}",\n      torch_{n}_{o}_losses, torch_{n}_{o}_last }},')
print("};\n")

rows = []
for name, x in INPUTS.items():
    array(f"torch_{name}", x.reshape(-1).tolist())
for name, x, f in FUNCTIONS:
    y, gx = function(x, f)
    array(f"torch_{name}_y", y)
    array(f"torch_{name}_gx", gx)
    x = next(n for n, values in INPUTS.items() if values is x)
    rows.append(f'    {{ "{name}", {len(y)},\n      torch_{x}, torch_{name}_y, torch_{name}_gx }},')
print("\nstatic const torch_function torch_functions[] = {")
print("\n".join(rows))
print("};")
