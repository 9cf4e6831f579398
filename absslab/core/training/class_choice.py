"""Choose the classes whose masks a step of a training computes.

Of many classes a batch has few, and the mask of each of the others costs as much. The masks of a
bin compete in a softmax, whose sum and whose losses are estimated from all classes of the batch,
from the classes that the network itself finds likeliest in it, and from some of the others that are
drawn: each of these stands for several.

Axes: B batch, K classes, J chosen classes, T frames.

Source: Jean et al., arXiv 1412.2007 (a softmax over a sample of the classes).
"""

import numpy as np
import torch
from torch import Tensor

from absslab.core.common.shared_batch import largest_over_batch, sum_over_batch
from absslab.core.model.network_parts import ChooseClasses, ChosenClasses


def may_choose(n_classes: int, n_absent: int) -> bool:
    """Tell whether a batch may lack more classes than the number of absent ones that get masks."""
    return 0 < n_absent < n_classes


def build_class_choice(
    labels: Tensor, n_absent: int, rng: np.random.Generator
) -> ChooseClasses | None:
    """Return what chooses classes of a batch, or None if all classes are to have masks.

    Processes that have parts of the batch choose the same classes.

    Args:
        labels: weak labels (B, K); a class that is not known to be absent counts as present.
        n_absent: number of other classes, half of them the likeliest ones; 0: all.
        rng: source of randomness.
    """
    n_classes = labels.shape[1]
    if not may_choose(n_classes, n_absent):
        return None
    is_present = largest_over_batch((labels != 0).any(0).int()) > 0  # (K,)
    n_present = int(is_present.sum())
    if n_present + n_absent >= n_classes:
        return None
    n_likely = n_absent // 2
    n_drawn = n_absent - n_likely
    n_others = n_classes - n_present - n_likely
    own_seed = torch.tensor(int(rng.integers(1 << 31)), device=labels.device)
    shared_rng = np.random.default_rng(int(largest_over_batch(own_seed)))
    drawn = torch.from_numpy(shared_rng.permutation(n_others)[:n_drawn]).to(labels.device)

    def choose(presence: Tensor, counts: Tensor | None) -> ChosenClasses:
        """Choose by the logits of presence (B, K, T), of which counts (B,) are no padding."""
        present = presence.detach().float().sigmoid()  # (B, K, T)
        if counts is not None:
            is_padding = torch.arange(present.shape[2], device=presence.device) >= counts[:, None]
            present = present.masked_fill(is_padding[:, None], 0.0)
        amount = sum_over_batch(present.sum((0, 2)))  # (K,)
        likeliest = amount.masked_fill(is_present, -torch.inf).topk(n_likely).indices
        is_chosen = is_present.index_fill(0, likeliest, True)
        others = (~is_chosen).nonzero()[:, 0]
        indices = torch.cat([is_chosen.nonzero()[:, 0], others[drawn]])  # (J,)
        weights = torch.ones(len(indices), device=presence.device)
        weights[-n_drawn:] = n_others / n_drawn
        return ChosenClasses(indices, weights)

    return choose
