"""The Lightning module of retrieval, and its scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from crosswire.training.tasks.audio_video.metrics import mean_average_precision
from crosswire.training.tasks.audio_video.optimiser import DescendingTask
from crosswire.training.tasks.retrieval.config import RetrievalConfig
from crosswire.training.tasks.retrieval.data import Features, Pairs
from crosswire.training.tasks.retrieval.network import RetrievalNetwork

#: The n of mAP@n in Table 3.
LOOKED_AT = (10, 20, 50, 100)


class RetrievalTask(DescendingTask):
    """Draws videos and images of the same activity together, and rebuilds their features.

    Args:
        config: the whole run.
        val: features that the training is watched with.
    """

    config: RetrievalConfig
    network: RetrievalNetwork

    def __init__(self, config: RetrievalConfig, val: Features) -> None:
        super().__init__(config, RetrievalNetwork(config.network))
        self.val = val

    def training_step(self, batch: Pairs, index: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        video, image, loss = self.network(batch.video, batch.image)
        task = contrast(video @ image.T / self.config.temperature, batch.labels)
        self.log("loss", task, prog_bar=True, logger=False)
        self.log("train/task_loss", task)
        return task if loss is None else task + self.config.optimiser.fusion_loss * loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Do nothing: the retrieval is scored over the whole split, not batch by batch."""

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        scores = score_retrieval(self.network, self.val)
        self.log("val_map", scores[f"mAP@{LOOKED_AT[-1]}"], prog_bar=True)


def contrast(similarity: Tensor, labels: Tensor) -> Tensor:
    """Return the contrastive loss of a batch of pairs, in both directions; pairs of one activity belong together.

    Args:
        similarity: of every video to every image, divided by the temperature, [N, N].
        labels: activity of each pair, [N].
    """
    same = labels[:, None] == labels
    wanted = same / same.sum(1, keepdim=True)
    halves = [-(wanted * logits.log_softmax(1)).sum(1).mean() for logits in (similarity, similarity.T)]
    return (halves[0] + halves[1]) / 2


@torch.no_grad()
def score_retrieval(network: RetrievalNetwork, source: Features) -> dict[str, float]:
    """Return mAP@n of the videos that are found by every image, by the cosine of the invariant parts."""
    mode = network.training
    network.eval()
    device = next(network.parameters()).device
    videos = network.embed(0, torch.from_numpy(source.videos).to(device))
    images = network.embed(1, torch.from_numpy(np.concatenate(source.images)).to(device))
    network.train(mode)
    owners = np.repeat(source.labels, [len(images) for images in source.images])
    similarity = (images @ videos.T).cpu().numpy()
    relevant = owners[:, None] == source.labels
    return {f"mAP@{n}": mean_average_precision(similarity, relevant, n) for n in LOOKED_AT}
