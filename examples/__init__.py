"""LightningModules that studies of `studies/` tune."""
