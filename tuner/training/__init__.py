"""How networks are trained.

- `fleet`: many different MLPs at once, without autograd, number for number as torch has it.
- `solo`: one LightningModule with Lightning's Trainer.
- `inside`: the first epochs of one MLP, with its layers in sight.
"""

#: Raised whenever the same job gives other scores than before, beyond rounding.
NUMBERS = 1
