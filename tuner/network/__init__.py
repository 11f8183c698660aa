"""What a network is made from, and what that means in torch.

- `config`: `MLPConfig`, `ModuleConfig`, `DataFacts`; without torch.
- `perceptron`: the layers that an `MLPConfig` means; `model`: `MLP`, which Lightning trains.
- `ensemble`: several of them as one; `checkpoints`: their files.
- `normalization`, `schedules`: what torch has not, and what it has, told by scale-free numbers.
"""
