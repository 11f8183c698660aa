"""What a network is made from, and what that means in torch."""
