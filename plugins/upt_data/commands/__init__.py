"""``upt data``: what a file holds, what is wrong with it, and the same data in a form that is fast to read."""
