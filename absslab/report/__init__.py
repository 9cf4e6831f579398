"""Reports: one page on a run, made of a notebook; it opens without a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
