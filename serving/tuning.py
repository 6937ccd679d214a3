"""Applying what a server was told about instances, queues, priorities and the cache to generated configurations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from tritonclient.grpc.model_config_pb2 import ModelConfig

from serving.limits import QueueLimits
from serving.published import THREADS_PARAMETER
from serving.settings import ModelSettings, Settings


class Role(Enum):
    """What a model is for: a network's own, a stage before or after one, or a whole pipeline."""

    NETWORK = "network"
    STAGE = "stage"
    PIPELINE = "pipeline"


@dataclass(frozen=True)
class Tuning:
    """How the models of one server run.

    Attributes:
        models: instances, threads, batches, cache and priorities.
        queue: limits on what waits before one model.
    """

    models: ModelSettings = field(default_factory=ModelSettings)
    queue: QueueLimits = field(default_factory=QueueLimits)

    @classmethod
    def of(cls, settings: Settings) -> Tuning:
        """Take it from the settings of a server."""
        return cls(settings.models, settings.queue)

    def apply(self, config: ModelConfig, role: Role) -> None:
        """Write it into one model's configuration."""
        if role is Role.PIPELINE:
            if self.models.cache_bytes:
                config.response_cache.enable = True
            return
        self._set_queue(config)
        count = self.models.instances if role is Role.NETWORK else self.models.stage_instances
        if count > 1 and not config.instance_group:
            config.instance_group.add()
        for group in config.instance_group:
            group.count = count
        if role is Role.NETWORK and self.models.threads:
            config.parameters[THREADS_PARAMETER].string_value = str(self.models.threads)

    def _set_queue(self, config: ModelConfig) -> None:
        """Bound what waits, and say in which order it is served."""
        batching = config.dynamic_batching
        policy = batching.default_queue_policy
        policy.default_timeout_microseconds = int(self.queue.seconds * 1e6)
        policy.max_queue_size = self.queue.requests
        batching.max_queue_delay_microseconds = self.models.batch_delay_microseconds
        if levels := self.models.priority_levels:
            batching.priority_levels = levels
            batching.default_priority_level = (levels + 1) // 2
