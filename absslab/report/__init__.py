"""A run as one page that stands alone: what it shows, and how it is made from a notebook."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
