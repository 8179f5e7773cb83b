"""Published systems as plain pipelines."""

from deepradiomics.recipes.frozen import frozen
from deepradiomics.recipes.kim2022 import kim2022
from deepradiomics.recipes.lumbar_transfer2024 import lumbar_transfer2024
from deepradiomics.recipes.mao2022 import mao2022
from deepradiomics.recipes.vcfnet2022 import vcfnet2022

__all__ = ["frozen", "kim2022", "lumbar_transfer2024", "mao2022", "vcfnet2022"]
