"""Find the classes that sound steadily, such as rain or a fan, from weak labels.

The loss on shares takes what is steady in a recording for its background. If recordings that hold a
class are steadier than the others, this is wrong for them. Axes: n recordings, K classes.
"""

import numpy as np

LEAST_DIFFERENCE = 0.1  # of the steady part of the energy


def find_steady_classes(steady_parts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Find the classes whose recordings have a larger steady part than those without them.

    Args:
        steady_parts: part of the energy of each recording that is steady, from 0 to 1.
        labels: 1 where a class is known to be present, 0 where it is known to be absent.

    Returns:
        whether each class is steady; False where all or none of the recordings hold it.

    Shape:
        steady_parts (n,), labels (n, K) → bool (K,).
    """
    means = []  # (K,) of absent, of present classes
    for value in (0, 1):
        is_value = labels == value  # (n, K)
        counts = is_value.sum(0)  # (K,)
        sums = (is_value * steady_parts[:, None]).sum(0)  # (K,)
        means.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    return means[1] - means[0] > LEAST_DIFFERENCE
