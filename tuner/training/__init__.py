"""How networks are trained: `fleet` many MLPs at once, `solo` any LightningModule."""
