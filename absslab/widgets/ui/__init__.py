"""The widget kit: panels, background work, forms, plots, uploads; it needs no audio model.

Names are listed in __init__.pyi and imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
