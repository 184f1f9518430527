"""Several processes that train together, on one machine or on several."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pneumoscope.errors import MachineError, PneumoscopeError, RecipeError, TrainingError

if TYPE_CHECKING:
    from pneumoscope.training.recipe import Recipe

PORT = 29500
"""Where the first process listens when ``MASTER_PORT`` is not set, as with PyTorch's own launcher."""
PATIENCE = timedelta(days=1)
"""How long processes wait for each other: as long as the first needs to read films or to compute frozen stages."""
GRACE = 10
"""Seconds in which the others may end by themselves when one process has failed."""


@dataclass(frozen=True)
class Processes:
    """``devices`` processes on each of ``nodes`` machines, seen from the machine number ``node``, the first being 0.

    They meet at ``address`` and ``port`` of the first machine.
    """

    devices: int = 1
    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int = PORT

    @property
    def count(self) -> int:
        """How many there are on all machines."""
        return self.devices * self.nodes


def find_processes(devices: int, nodes: int, recipe: Recipe) -> Processes:
    """The processes that are to train a recipe, with what the environment says of the machines.

    Several machines find each other by the variables of PyTorch's own launcher: ``MASTER_ADDR``, ``NODE_RANK`` and,
    if the default is taken, ``MASTER_PORT``.

    Args:
        devices: GPUs of each machine to use or, without any, processes on its CPU; at least 1.
        nodes: machines; at least 1.

    Raises:
        MachineError: more devices than there are, or the environment does not say which machine this is.
        RecipeError: the recipe learns BatchNorm statistics, which several processes would each take from their share.
    """
    import torch

    gpus = torch.cuda.device_count()
    there, kind = (gpus, "GPUs") if gpus else (os.cpu_count() or 1, "processor cores")
    if devices > there:
        raise MachineError(f"--devices {devices}: this machine has {there} {kind}; ask for no more")
    updated = recipe.network.batch_norm == "train" and any(p.epochs and p.unfreeze != "none" for p in recipe.phases)
    if devices * nodes > 1 and updated:
        raise RecipeError(
            f"{recipe.name}: network.batch_norm is 'train', and each process would take the statistics of its share of "
            "the batch alone; set it to 'frozen', or train with --devices 1 --nodes 1"
        )
    if nodes == 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return Processes(devices, port=free.getsockname()[1])
    return Processes(devices, nodes, _number("NODE_RANK", nodes - 1), _variable("MASTER_ADDR"), _port())


def rank() -> int:
    """The number of this process among those that train together; 0 when it trains alone."""
    import torch.distributed as dist

    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train together; 1 when this one trains alone."""
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    """Wait until every process is here."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()


def trainer_options() -> dict[str, Any]:
    """What Lightning's trainer has to know of the processes."""
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    if count() == 1:
        return {"devices": 1}
    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    return {
        "devices": devices,
        "num_nodes": count() // devices,
        "strategy": DDPStrategy(),
        # Named, so that traces of a cluster's scheduler in the environment do not choose another.
        "plugins": [LightningEnvironment()],
        "use_distributed_sampler": False,  # EpochOrder divides its batches itself
    }


def launch(processes: Processes, work: Callable[..., None], *args: Any) -> None:
    """Run ``work(*args)`` in each of this machine's processes, and wait for them.

    Args:
        processes: how many, and where all of them meet.
        work: a function of a module, with arguments that can be pickled.

    Raises:
        PneumoscopeError: what one of them raised.
        TrainingError: one of them was killed, or lost the others.
    """
    import multiprocessing

    from torch.multiprocessing.spawn import ProcessException, start_processes

    errors = multiprocessing.get_context("spawn").SimpleQueue()
    # Spawned, not forked: a fork would inherit threads of OpenMP and CUDA that do not run in it.
    started: Any = start_processes(  # type: ignore[no-untyped-call]
        _enter, (processes, work, args, errors), processes.devices, join=False, start_method="spawn"
    )
    try:
        while not started.join(grace_period=GRACE):
            pass
    except ProcessException as error:
        if not errors.empty():
            raise errors.get() from None
        raise TrainingError(
            f"a process of this training ended ({str(error).strip().splitlines()[-1]}); give the same command again, "
            "it goes on from the last finished epoch"
        ) from error
    finally:
        for process in started.processes:
            process.kill()


def _enter(index: int, processes: Processes, work: Callable[..., None], args: tuple[Any, ...], errors: Any) -> None:
    """The life of one process."""
    import torch
    import torch.distributed as dist

    # An interrupt ends it at once; what is kept is kept epoch by epoch, and the process that waits gives the advice.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ |= {
        "MASTER_ADDR": processes.address,
        "MASTER_PORT": str(processes.port),
        "NODE_RANK": str(processes.node),
        "LOCAL_RANK": str(index),
        "LOCAL_WORLD_SIZE": str(processes.devices),
    }
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(index)
    else:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes.devices))
    number = processes.node * processes.devices + index
    try:
        dist.init_process_group(backend, timeout=PATIENCE, rank=number, world_size=processes.count)
        work(*args)
        dist.destroy_process_group()
    except PneumoscopeError as error:
        errors.put(error)
        raise


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise MachineError(
            f"{name} is not set: with several --nodes, set MASTER_ADDR to the address of the first machine, and "
            "NODE_RANK to 0 there and to 1, 2, … on the others"
        )
    return value


def _number(name: str, largest: int) -> int:
    value = _variable(name)
    if not value.isdecimal() or int(value) > largest:
        raise MachineError(f"{name} is {value!r}: it must be a number from 0 to {largest}")
    return int(value)


def _port() -> int:
    return _number("MASTER_PORT", 65535) if "MASTER_PORT" in os.environ else PORT
