"""Where a training is within an epoch, so that it can be saved there and goes on as if it had not.

Randomness is saved as well: that of the augmentation, and PyTorch's, which is that of dropout.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from absslab.core.common.errors import InputError
from absslab.core.common.process_group import Processes


class EpochProgress:
    """How far an epoch that has begun is.

    Args:
        n_begun_with: number of processes that the epoch began with.
    """

    def __init__(self, n_begun_with: int):
        self.n_begun_with = n_begun_with
        self.n_steps = 0  # done
        self.sums: dict[str, Tensor] = {}  # of the losses of this process
        self.seconds = 0.0  # that the epoch took before it went on here
        self._start = time.perf_counter()
        self._rng: np.random.Generator | None = None
        self._saved: list[dict[str, Any]] = []  # randomness of each process

    def add(self, losses: Mapping[str, Tensor], rng: np.random.Generator) -> None:
        """Count a step.

        Args:
            losses: of the step.
            rng: of the augmentation, from which the next step draws.
        """
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        self._rng = rng
        self.n_steps += 1

    def to_state(self, processes: Processes, device: torch.device) -> dict[str, Any]:
        """Return the progress as tensors and plain data; all processes have to call this.

        Args:
            processes: that train together.
            device: of this process.
        """
        names = processes.share(list(self.sums))
        nothing = torch.zeros((), device=device)
        sums = {name: processes.sum(self.sums.get(name, nothing)).cpu() for name in names}
        randomness: dict[str, Any] = {"torch": torch.get_rng_state()}
        if self._rng is not None:
            randomness["numpy"] = json.dumps(self._rng.bit_generator.state)
        if device.type == "cuda":
            randomness["cuda"] = torch.cuda.get_rng_state(device)
        elif device.type == "mps":
            randomness["mps"] = torch.mps.get_rng_state()
        return {
            "n_steps": self.n_steps,
            "n_begun_with": self.n_begun_with,
            "sums": sums,
            "seconds": self.seconds + time.perf_counter() - self._start,
            "randomness": processes.gather(randomness),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], processes: Processes, device: torch.device
    ) -> "EpochProgress":
        """Return the progress that `to_state` returned.

        Args:
            state: its result.
            processes: that go on together; perhaps more or fewer than before.
            device: of this process.
        """
        progress = cls(int(state["n_begun_with"]))
        progress.n_steps = int(state["n_steps"])
        progress.seconds = float(state["seconds"])
        progress._saved = list(state["randomness"])
        if processes.is_first:  # the sums are those of all processes
            progress.sums = {name: value.to(device) for name, value in state["sums"].items()}
        return progress

    def restore_randomness(
        self,
        rng: np.random.Generator,
        seed: Sequence[int],
        processes: Processes,
        device: torch.device,
    ) -> None:
        """Let randomness go on where it was; in another number of processes it begins anew.

        What begins anew differs from what the epoch began with.

        Args:
            rng: of the augmentation.
            seed: that of the epoch.
            processes: that go on together.
            device: of this process.

        Raises:
            InputError: the state is damaged.
        """
        if len(self._saved) != processes.size:
            new = np.random.default_rng([*seed, processes.rank, self.n_steps])
            torch.manual_seed(int(new.integers(1 << 62)))
            rng.bit_generator.state = new.bit_generator.state
            return
        saved = self._saved[processes.rank]
        try:
            torch.set_rng_state(saved["torch"])
            rng.bit_generator.state = json.loads(saved["numpy"])
            if device.type == "cuda" and "cuda" in saved:
                torch.cuda.set_rng_state(saved["cuda"], device)
            elif device.type == "mps" and "mps" in saved:
                torch.mps.set_rng_state(saved["mps"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"the state within the epoch is damaged ({error})") from None
