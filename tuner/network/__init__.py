"""What a network is made from, and what that means in torch.

- `config`: `MLPConfig`, `ModuleConfig`, `DataFacts`; without torch.
- `model`: `MLP`, the LightningModule that an `MLPConfig` means; checkpoints.
- `normalization`, `schedules`: what torch has not, and what it has, told by scale-free numbers.
"""
