"""Start a command as several processes of this machine, which then work together.

PyTorch's own launcher does this, as torchrun does; but one line says what went wrong, and the exit
status is that of the command.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence

from absslab.core.common.parallel import count_cores

INTERRUPTED = 130  # the exit status


def start_processes(arguments: Sequence[str], n_processes: int) -> int:
    """Run `python -m absslab …` in several processes, and wait for them.

    On CPUs each gets its part of the cores, unless OMP_NUM_THREADS says how many.

    Args:
        arguments: the command and its arguments.
        n_processes: number of processes.

    Returns:
        the exit status: 0, or the highest of those with which processes have failed. That of a
        process that ends because another one has is 1.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, count_cores() // n_processes)))
    logging.disable(logging.CRITICAL)  # of the launcher: a process says itself why it ends
    try:
        # By itself the launcher leaves its logs.
        with tempfile.TemporaryDirectory(prefix="absslab-", ignore_cleanup_errors=True) as logs:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=n_processes,
                run_id=str(os.getpid()),
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",  # a free port
                max_restarts=0,
                logs_specs=DefaultLogsSpecs(log_dir=logs),
            )
            elastic_launch(config, sys.executable)("-m", "absslab", *arguments)
    except ChildFailedError as error:
        # that of a process which a signal has ended is below 0
        return max(1, *(failure.exitcode for failure in error.failures.values()))
    except SignalException:
        return INTERRUPTED
    finally:
        logging.disable(logging.NOTSET)
    return 0
