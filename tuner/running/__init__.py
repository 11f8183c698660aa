"""A study at work.

- `open_study`: its file read, its data loaded, its workers started, its store taken.
- `evaluation`: the epochs and folds of a trial.
- `minutes`: what is done with the time; `allowance`: what of the whole budget is left.
- `coordinator`: asks, reports, prunes, tells; `under_way`: a trial that workers have.
- `rate_range`: a first learning rate.
- `repeats`: configs trained again over seeds; `kept_repeats`: those that ended.
- `progress`: what whoever watches is told; `display`: it on a terminal, or in a notebook.
"""
