"""A run as one page that stands alone: what is on it, how it is made of a notebook, how that is executed."""
