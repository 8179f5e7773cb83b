"""What trains networks: the loop, batches, augmentation, losses, devices and weights."""

from deepradiomics.training.augmentation import Augmentation, as_augmentation, augment, augment_pair
from deepradiomics.training.batches import Batches, PreparedImages, is_missing, prepare_image
from deepradiomics.training.devices import Portions, resolve_device, seeded
from deepradiomics.training.loop import Schedule, fit_network
from deepradiomics.training.losses import class_weights, cross_entropy, supervised_contrastive, triplet
from deepradiomics.training.pickles import PickledNetwork
from deepradiomics.training.weights import hash_weights, load_weights, read_weights, save_weights

__all__ = [
    "Augmentation",
    "Batches",
    "PickledNetwork",
    "Portions",
    "PreparedImages",
    "Schedule",
    "as_augmentation",
    "augment",
    "augment_pair",
    "class_weights",
    "cross_entropy",
    "fit_network",
    "hash_weights",
    "is_missing",
    "load_weights",
    "prepare_image",
    "read_weights",
    "resolve_device",
    "save_weights",
    "seeded",
    "supervised_contrastive",
    "triplet",
]
