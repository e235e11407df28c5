"""The trained operator: predictions over many time steps, and what they are worth."""
