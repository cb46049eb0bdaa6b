"""The PyTorch side of the benchmark: the built-in networks as plain modules, trained by a plain loop.

It imports only PyTorch and NumPy, from an environment of its own (envs/pytorch.txt). Images are those of
MNIST, which all built-in networks can take.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn


def network(architecture: str, width: int) -> nn.Module:
    """The built-in network of few_weights/networks/architectures.py, without its softmax.

    Raises:
        ValueError: there is no such network here.
    """
    if architecture not in NETWORKS:
        raise ValueError(f"the PyTorch side has no {architecture}")
    return nn.Sequential(*NETWORKS[architecture](width))


def _dense(features: int, units: int) -> list[nn.Module]:
    return [nn.Linear(features, units), nn.ReLU()]


def _convolution(channels: int, filters: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, filters, 3), nn.ReLU()]


def _depthwise(channels: int, padding: int = 1) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=padding, groups=channels, bias=False)


def _separable(channels: int, filters: int, padding: int = 1) -> list[nn.Module]:
    return [_depthwise(channels, padding), nn.Conv2d(channels, filters, 1), nn.GELU()]


def _small_stem(filters: int) -> list[nn.Module]:
    return [nn.AvgPool2d(2), nn.Conv2d(1, filters, 3, padding=1, bias=False), nn.GELU()]


def _readout(channels: int) -> list[nn.Module]:
    return [_depthwise(channels, 0), nn.Flatten(), nn.Linear(channels, 10)]


def _recurrence(channels: int, width: int) -> list[nn.Module]:
    block = _separable(width, width)  # the same modules each time
    return [*_separable(channels, width, 0), *block, nn.MaxPool2d(2), *block, *block, nn.MaxPool2d(2)]


def _mlp(width: int) -> list[nn.Module]:
    return [nn.Flatten(), *_dense(784, width), *_dense(width, width), nn.Linear(width, 10)]


def _pooled_mlp(width: int) -> list[nn.Module]:
    layers = [*_dense(196, width), *_dense(width, width), nn.Linear(width, 10)]
    return [nn.MaxPool2d(2), nn.Flatten(), *layers]


def _cnn(width: int) -> list[nn.Module]:
    convolutions = [*_convolution(1, width), *_convolution(width, 2 * width), nn.MaxPool2d(2)]
    return [*convolutions, nn.Flatten(), *_dense(288 * width, 4 * width), nn.Linear(4 * width, 10)]


def _vgg(width: int) -> list[nn.Module]:
    first = [*_convolution(1, width), *_convolution(width, width), nn.MaxPool2d(2)]
    second = [*_convolution(width, 2 * width), *_convolution(2 * width, 2 * width), nn.MaxPool2d(2)]
    return [*first, *second, nn.Flatten(), nn.Linear(32 * width, 10)]


def _separable_network(width: int, deep: bool = False) -> list[nn.Module]:
    stem = round(2 * width / 3)
    first = [*_small_stem(stem), *_separable(stem, width, 0), nn.MaxPool2d(2)]
    second = [*_separable(width, width), *(_separable(width, width) if deep else []), nn.MaxPool2d(2)]
    return [*first, *second, *_readout(width)]


def _recurrent(width: int) -> list[nn.Module]:
    return [*_small_stem(width), *_recurrence(width, width), *_readout(width)]


def _strided_recurrent(width: int) -> list[nn.Module]:
    stem = 2 * width // 3
    first = [nn.Conv2d(1, stem, 4, stride=2, padding=1, bias=False), nn.GELU()]
    return [*first, *_recurrence(stem, width), *_readout(width)]


class _Doubled(nn.Module):
    """All channels twice."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, images], 1)


def _loop(channels: int) -> list[nn.Module]:
    block = [
        _depthwise(channels, 1),
        nn.Conv2d(channels, channels, 1),
        nn.SiLU(),
    ]  # the same modules each time
    body = [*block, *block, *block, nn.AvgPool2d(2), *block, *block, *block, nn.AvgPool2d(2)]
    return [*body, _depthwise(channels, 0), nn.Flatten(), nn.Linear(channels, 10, bias=False)]


def _full_stem(filters: int) -> list[nn.Module]:
    return [nn.Conv2d(1, filters, 3, padding=1, bias=False), nn.SiLU(), nn.AvgPool2d(2)]


def _looped(width: int) -> list[nn.Module]:
    return [*_full_stem(width), *_loop(width)]


def _looped_doubled(width: int) -> list[nn.Module]:
    return [*_full_stem(width), _Doubled(), *_loop(2 * width)]


NETWORKS: dict[str, Callable[[int], list[nn.Module]]] = {
    "mlp": _mlp,
    "pooled_mlp": _pooled_mlp,
    "cnn": _cnn,
    "vgg": _vgg,
    "separable": _separable_network,
    "deep_separable": lambda width: _separable_network(width, deep=True),
    "recurrent": _recurrent,
    "strided_recurrent": _strided_recurrent,
    "looped": _looped,
    "looped_doubled": _looped_doubled,
}


def optimizer_of(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """PyTorch's optimizer for a study's `optimizer`; with full_matrix_adam, which it lacks, Adam.

    Raises:
        ValueError: the optimizer is not known here.
    """
    parameters, rate = model.parameters(), settings["learning_rate"]
    epsilon = settings.get("epsilon", 1e-7)  # Keras' default
    match settings["name"]:
        case "adadelta":
            return torch.optim.Adadelta(parameters, lr=rate, rho=settings["rho"], eps=epsilon)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate, alpha=settings["rho"], eps=epsilon)
        case "adam" | "full_matrix_adam":
            betas = settings["beta_1"], settings["beta_2"]
            return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=epsilon)
    raise ValueError(f"the PyTorch side has no {settings['name']}")


def schedule_of(
    optimizer: torch.optim.Optimizer, schedule: Mapping[str, Any] | None, steps: int
) -> torch.optim.lr_scheduler.LambdaLR | None:
    """The study's `schedule`, over so many steps; None for a constant learning rate."""
    if schedule is None:
        return None
    warmup = round(schedule["warmup"] * steps)

    def share(step: int) -> float:
        if step < warmup:
            return step / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (steps - warmup))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
