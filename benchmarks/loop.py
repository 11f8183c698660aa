"""The best plain PyTorch loop: one network after the other, without a trainer around it.

Tensor batches, one fused optimizer, no metric but the validation accuracy after each epoch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .stock import Net, schedule


def fit(params: dict[str, Any], arrays: dict[str, Tensor], epochs: int) -> float:
    """Trains one config and returns its last validation accuracy.

    Args:
        params: as `stock.suggest` draws them.
        arrays: `x`, `y`, `x_val`, `y_val`, standardized, on the device to train on.
        epochs: passes over `x`.
    """
    x, y, batch_size = arrays["x"], arrays["y"], params["batch_size"]
    net = Net(params, x.shape[1], int(y.max()) + 1).to(x.device)
    model, loss_of = net.layers, nn.CrossEntropyLoss()
    if params["optimizer"] == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=params["learning_rate"],
            weight_decay=params["weight_decay"],
            fused=True,
        )
    else:
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=params["learning_rate"],
            momentum=0.9,
            weight_decay=params["weight_decay"],
            fused=True,
        )
    steps = -(-len(x) // batch_size)
    scheduler, interval = schedule(optimizer, params, epochs, steps * epochs)
    accuracy = 0.0
    for _ in range(epochs):
        model.train()
        for index in torch.split(torch.randperm(len(x), device=x.device), batch_size):
            if len(index) == 1:
                continue
            loss = loss_of(model(x.index_select(0, index)), y.index_select(0, index))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if scheduler and interval == "step":
                scheduler.step()
        if scheduler and interval == "epoch":
            scheduler.step()
        model.eval()
        with torch.no_grad():
            outputs = torch.cat([model(rows) for rows in torch.split(arrays["x_val"], 4096)])
            accuracy = float((outputs.argmax(1) == arrays["y_val"]).float().mean())
    return accuracy
