"""Applying what a server was told about instances, queues, priorities and the cache to generated configurations."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import Enum

from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup, ModelQueuePolicy

from crosswire.serving.config.gpu import GpuSettings
from crosswire.serving.config.limits import ImageLimits, QueueLimits
from crosswire.serving.config.settings import ModelSettings, Settings
from crosswire.serving.errors import ServingError
from crosswire.serving.repository.gpus import ChosenGpus, chosen_gpus
from crosswire.serving.repository.model_config import Runtime
from crosswire.serving.repository.published import (
    GPU_GROUP,
    PROVIDERS_PARAMETER,
    THREADS_PARAMETER,
    describe,
    description_of,
)
from crosswire.serving.steps.runtime.providers.first_that_runs import Wish, WishedGpu
from crosswire.serving.steps.runtime.providers.names import RTX


class Role(Enum):
    """What a model is for: a network's own or its façade, a step before or after one, an ensemble, or all in one."""

    NETWORK = "network"
    FACADE = "facade"
    STEP = "step"
    PIPELINE = "pipeline"
    IN_PROCESS = "in_process"


@dataclass(frozen=True)
class Tuning:
    """How the models of one server run.

    Attributes:
        models: instances, threads, batches, cache and priorities.
        queue: limits on what waits before one model.
        images: limits on an encoded image, which clients learn from the configuration.
        gpu: which GPUs are asked for.
        chosen: those of this machine that the embedded runtime is to use.
    """

    models: ModelSettings = field(default_factory=ModelSettings)
    queue: QueueLimits = field(default_factory=QueueLimits)
    images: ImageLimits = field(default_factory=ImageLimits)
    gpu: GpuSettings = field(default_factory=GpuSettings)
    chosen: ChosenGpus = field(default_factory=ChosenGpus)

    @classmethod
    def of(cls, settings: Settings) -> Tuning:
        """Take it from the settings of a server."""
        embedded = settings.runtime is Runtime.EMBEDDED
        chosen = chosen_gpus(settings.gpu) if embedded else ChosenGpus()
        return cls(settings.models, settings.queue, settings.images, settings.gpu, chosen)

    @property
    def engines(self) -> bool:
        """Whether engines of TensorRT-RTX that lie beside their graphs may be run."""
        return bool(self.chosen.gpus) and RTX in self.chosen.providers

    @property
    def wish(self) -> Wish:
        """What the embedded runtime shall try to run graphs with."""
        gpus = {str(gpu.index): WishedGpu(gpu.bus, gpu.compute_capability or "") for gpu in self.chosen.gpus}
        return Wish(self.chosen.providers, str(self.gpu.plugin or ""), gpus)

    def in_process(self, runtime: Runtime) -> bool:
        """Say whether every network and its steps run in one process: on a processor, unless told otherwise.

        A GPU needs Triton's batcher before the network alone, and the container its native backends.
        """
        chosen = self.models.in_process
        if chosen is None:
            chosen = self.models.step_instances == 1 and not self.chosen.gpus
        return chosen and runtime is Runtime.EMBEDDED

    def apply(self, config: ModelConfig, role: Role) -> None:
        """Write it into one model's configuration."""
        self._publish_limits(config)
        if role is Role.PIPELINE and self.models.cache_bytes:
            config.response_cache.enable = True
        if config.platform == "ensemble":
            return
        if self._batches(config, role):
            self._set_queue(config)
        if role in (Role.NETWORK, Role.IN_PROCESS):
            self._place(config)
        else:
            for group in config.instance_group:
                group.count = self.models.step_instances
        if role is Role.NETWORK and self.models.threads:
            config.parameters[THREADS_PARAMETER].string_value = str(self.models.threads)
        if role is Role.NETWORK:
            self._warm_up(config)

    def _place(self, config: ModelConfig) -> None:
        """Say how many instances of a network there are, and on which processor or GPUs.

        A python model's groups stay on the processor's side, for Triton counts no GPUs there that its own build knows
        not of: the name of a group tells the process which GPU it is for.
        """
        count, per_gpu = self.models.instances, self.gpu.instances or self.models.instances
        if config.backend != "python":
            self._place_native(config, per_gpu)
        elif not self.chosen.gpus:
            for group in config.instance_group:
                group.count = count
        else:
            del config.instance_group[:]
            for gpu in self.chosen.gpus:
                name = f"{GPU_GROUP}{gpu.index}"
                config.instance_group.add(name=name, count=per_gpu, kind=ModelInstanceGroup.KIND_CPU)
            config.parameters[PROVIDERS_PARAMETER].string_value = self.wish.to_json()

    def _place_native(self, config: ModelConfig, per_gpu: int) -> None:
        """The same for a native backend, which Triton itself puts on every GPU, or on the processor without one.

        Raises:
            ServingError: a TensorRT plan is to run without a GPU.
        """
        indices = self.gpu.indices
        if indices == () and config.backend == "tensorrt":
            raise ServingError(
                f"gpu.devices is {self.gpu.devices}, and model {config.name!r} is a TensorRT plan, which runs on a GPU "
                "alone; choose a GPU, or remove the plan: then the ONNX Runtime backend takes the graph"
            )
        if indices:
            config.instance_group.add(count=per_gpu, kind=ModelInstanceGroup.KIND_GPU, gpus=indices)
        elif indices == ():
            config.instance_group.add(count=self.models.instances, kind=ModelInstanceGroup.KIND_CPU)
        elif per_gpu > 1:
            config.instance_group.add(count=per_gpu)

    def _publish_limits(self, config: ModelConfig) -> None:
        """Tell clients what an image may be."""
        if description := description_of(config):
            describe(config, replace(description, limits=asdict(self.images)))

    def _warm_up(self, config: ModelConfig) -> None:
        """Have Triton send batches of zeros; the python network answers a batch of one by itself when it is loaded."""
        for size in self.models.warm_up:
            if size > config.max_batch_size or (size == 1 and config.backend == "python"):
                continue
            sample = config.model_warmup.add(name=f"batch of {size}", batch_size=size)
            numbers = [tensor for tensor in config.input if tensor.data_type != DataType.TYPE_STRING]
            for tensor in [one for one in numbers if not one.optional] or numbers:
                zeros = sample.inputs[tensor.name]
                zeros.data_type, zeros.zero_data = tensor.data_type, True
                zeros.dims.extend(tensor.dims)

    def _batches(self, config: ModelConfig, role: Role) -> bool:
        """Say whether Triton's batcher stands before a model: where batches pay, or somebody asked for its queue.

        A python step on a processor answers requests one by one, the gateway bounds what all steps together hold,
        and a request that is late is not begun. The batcher would cost a thread more to wait for, and of a burst it
        holds the last request back for half a second: Triton 2.51 does not wake it when the step gets free.
        """
        if self.models.priority_levels:
            return True
        if role is Role.STEP:
            return False
        asked = self.models.batch_delay_microseconds or self.queue != QueueLimits()
        if role is Role.IN_PROCESS:
            return bool(asked)
        return bool(asked) or role is Role.FACADE or config.backend != "python" or bool(self.chosen.gpus)

    def _set_queue(self, config: ModelConfig) -> None:
        """Batch what waits, in order, and refuse what would wait too long or behind too many: 503, UNAVAILABLE.

        A request's own `timeout` parameter, in microseconds, takes the place of the default.
        """
        batching = config.dynamic_batching
        policy = batching.default_queue_policy
        policy.timeout_action = ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = int(self.queue.seconds * 1e6)
        policy.allow_timeout_override = True
        policy.max_queue_size = self.queue.requests
        batching.max_queue_delay_microseconds = self.models.batch_delay_microseconds
        if levels := self.models.priority_levels:
            batching.priority_levels = levels
            batching.default_priority_level = (levels + 1) // 2
