"""What makes an answer trusted.

- `confirmer`: the best configs again over fresh seeds; picks the winner and hands its network over.
- `of_study`: that of a study which is open.
- `entrants`, `halving`, `ranking`: who takes part and goes on; `expected`, `rounds`: how much of
  it there is time for.
- `held_out`: the test rows, each look at which is counted.
- `last_training`: the winner on all rows but the test rows.
- `ablation`: from the rules to the winner, a change at a time.
- `sizes`: the best network of each size.
- `auditing`: the rules of thumb as hypotheses; `paired`: what differences between pairs carry.
"""
