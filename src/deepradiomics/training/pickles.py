"""Pickles of estimators that hold a network."""

import numpy as np
import torch

from deepradiomics.training.devices import seeded


class PickledNetwork:
    """Mixin for estimators with a network: its weights are pickled as arrays on the CPU.

    A pickle made on a GPU opens anywhere. When a pickle is opened, ``network_`` is built anew by ``architecture_``,
    whose ``build()`` returns a network without its weights.

    Examples
    --------
    >>> import pickle
    >>> import numpy as np
    >>> from deepradiomics import UNetSegmenter
    >>> from deepradiomics.training import PickledNetwork
    >>> segmenter = UNetSegmenter.pretrained("femur")
    >>> isinstance(segmenter, PickledNetwork)
    True
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> again = pickle.loads(pickle.dumps(segmenter))
    >>> bool((again.predict([image])[0] == segmenter.predict([image])[0]).all())
    True
    """

    def __getstate__(self):
        state = dict(super().__getstate__())
        network = state.pop("network_", None)
        if network is not None:
            state["_weights"] = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            with seeded(0):
                network = self.architecture_.build()
            network.load_state_dict({name: torch.as_tensor(np.array(value)) for name, value in weights.items()})
            self._keep(network)

    def _keep(self, network):
        """Keep a network on the CPU as it is used after fit."""
        self.network_ = network.eval()
