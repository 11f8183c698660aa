"""What makes an answer trusted: confirmation over fresh seeds, ablation, audit."""
