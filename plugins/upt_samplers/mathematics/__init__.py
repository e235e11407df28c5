"""The mathematics that the samplers share: budgets, strata, inclusion probabilities, orders, scores."""
