"""What can be measured of a radiograph before anything is measured in it: arrays in, one number out."""

import numpy as np
from scipy import ndimage


def distinct_levels(pixels):
    """Count the gray levels of a picture, as bits.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values.

    Returns
    -------
    float
        Base-2 logarithm of the number of gray values, told apart in 4096 steps between the lowest and the highest,
        that a hundred-thousandth of the pixels have, 2 pixels at least.
        A picture of 8 bits that uses them all has 8; texture in 32 bins needs more than 5.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import distinct_levels
    >>> distinct_levels(np.arange(64).reshape(8, 8) // 4)
    4.0
    """
    # Steps, since gray values that are no whole numbers are all different.
    counts = np.histogram(pixels, bins=4096)[0]
    return float(np.log2(max(1, (counts >= max(2, 1e-5 * np.size(pixels))).sum())))


def clipped_share(pixels, region):
    """Measure how much of a region was exposed, or windowed, beyond the gray scale.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values.
    region : bool array of shape (H, W)
        The bone and what lies round it; black air beside the body is no fault.

    Returns
    -------
    float
        Share of the region, 0 to 1, that has the lowest or the highest gray value of the picture, give or take 0.5 %
        of its range; 0 where the region is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import clipped_share
    >>> clipped_share(np.array([[0, 50, 100, 100]]), np.array([[False, True, True, True]])).round(3)
    np.float64(0.667)
    """
    inside, low, high = pixels[region], pixels.min(), pixels.max()
    tolerance = 0.005 * (high - low)
    return ((inside <= low + tolerance) | (inside >= high - tolerance)).mean() if inside.size else np.float64(0)


def block_contrast(pixels):
    """Measure how much the blocks of a JPEG show.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values in the pixels of the file: resizing moves the blocks.

    Returns
    -------
    float
        Mean step of gray values across every eighth line over that across the other lines, in that of the eight
        possible places of the lines where it is largest; the mean of rows and columns. About 1 where there are no
        blocks, 1.5 and more where they are seen. 1 for pictures of less than 32 pixels a side.

    Notes
    -----
    A step is the difference of two neighbours less the mean of the differences beside it, so that slopes do not count.

    References
    ----------
    Wang Z, Sheikh HR, Bovik AC. No-reference perceptual quality assessment of JPEG compressed images. ICIP (2002).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import block_contrast
    >>> blocks = np.random.default_rng(0).normal(size=(8, 8)).repeat(8, axis=0).repeat(8, axis=1)
    >>> noise = np.random.default_rng(1).normal(scale=0.1, size=(64, 64))
    >>> block_contrast(blocks + noise) > 3, block_contrast(noise) < 1.5
    (True, True)
    """
    if min(pixels.shape) < 32:
        return 1.0
    ratios = []
    for lines in (pixels, pixels.T):
        difference = np.diff(lines.astype(np.float32), axis=0)
        steps = np.abs(difference[1:-1] - (difference[:-2] + difference[2:]) / 2).mean(axis=1)
        places = np.array([steps[start::8].mean() for start in range(8)])
        others = (places.sum() - places) / 7
        ratios.append(float((places / np.maximum(others, 1e-6 * max(np.ptp(lines), 1e-12))).max()))
    return min(float(np.mean(ratios)), 1e3)


def fine_detail(pixels):
    """Measure how much detail of the size of a pixel a picture has; one that was enlarged has little.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values in the pixels of the file.

    Returns
    -------
    float
        Decimal logarithm of the power above half the Nyquist frequency over that between a quarter and a half of it,
        the larger of rows and columns, since a picture that was stretched in one direction keeps the detail of the
        other. White noise has 0.3; a picture enlarged twice, -2 or less.

    Notes
    -----
    The spectrum is that of second differences along each line, so that borders and slopes do not count. A picture that
    was taken out of focus, or smoothed by the machine, has as little detail as an enlarged one, and texture of it
    means as little.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import fine_detail
    >>> noise = np.random.default_rng(0).normal(size=(128, 128))
    >>> fine_detail(noise) > 0, fine_detail(noise.repeat(2, axis=0).repeat(2, axis=1)) < fine_detail(noise)
    (True, True)
    """
    if min(pixels.shape) < 32:
        return 0.0
    found = []
    for lines in (pixels, pixels.T):
        # Every few lines are enough of a large picture.
        lines = lines[:: max(1, len(lines) // 512)].astype(np.float32)
        spread = lines - lines.mean(axis=1, keepdims=True)
        power = (np.abs(np.fft.rfft(spread * np.hanning(lines.shape[1]))) ** 2).mean(axis=0)
        frequency = np.linspace(0, 1, len(power))
        above, between = power[frequency > 0.5].sum(), power[(frequency > 0.25) & (frequency <= 0.5)].sum()
        found.append(np.log10(max(above, 1e-12) / max(between, 1e-12)))
    return float(max(found))


def text_share(pixels, region):
    """Measure how much of a region is covered by thin white strokes, as of burnt-in text.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values.
    region : bool array of shape (H, W)
        The bone and what lies round it.

    Returns
    -------
    float
        Share of the region, 0 to 1, that is in the brightest tenth of the gray scale between the darkest and the
        brightest pixel of the picture, and stands out from what is beside it, within 1/60 of the picture's longer side,
        by more than 0.35 of the picture's range (0.5 to 99.5 percentile); 0 where the region is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import text_share
    >>> film = np.tile(np.linspace(0, 100, 240), (240, 1))
    >>> region = np.zeros(film.shape, dtype=bool)
    >>> region[60:180, 60:180] = True
    >>> film[100, 100:140] = 100  # a stroke of 40 pixels
    >>> round(text_share(film, region) * region.sum())
    40
    """
    if not region.any():
        return 0.0
    # Only the rectangle round the region is filtered; every few rows are enough for the range of the picture.
    ((rows, columns),) = ndimage.find_objects(region.astype(np.uint8))
    low, high = np.percentile(pixels[:: max(1, len(pixels) // 512)], (0.5, 99.5))
    size = max(3, round(max(pixels.shape) / 60))
    part, inside = pixels[rows, columns], region[rows, columns]
    # The edge of a cortex stands out as well, but is seldom as bright as text, which is written in the brightest white.
    white = part > 0.1 * pixels.min() + 0.9 * pixels.max()
    stands_out = part - ndimage.grey_opening(part, size=(size, size)) > 0.35 * (high - low)
    return float((white & stands_out)[inside].mean())


def cut_off(outlines):
    """Measure how much of a bone lies beyond the border of the picture.

    Parameters
    ----------
    outlines : integer array of shape (H, W)
        Label map: 0 is background, other labels are bones.

    Returns
    -------
    float
        The largest, of all bones and the four borders, of the length along which the bone meets the border over how
        far the bone reaches away from it. A shaft that leaves the picture has about 0.3, a bone cut in the middle 1
        and more; 0 where no bone meets a border.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.quality import cut_off
    >>> outlines = np.zeros((60, 40), dtype=np.uint8)
    >>> outlines[20:60, 10:20] = 1  # 40 high, and 10 wide at the lower border
    >>> cut_off(outlines)
    0.25
    """
    worst = 0.0
    for code in np.unique(outlines[outlines > 0]):
        bone = outlines == code
        for side in (bone, bone[::-1], bone.T, bone.T[::-1]):
            if side[0].any():
                worst = max(worst, side[0].sum() / (np.flatnonzero(side.any(axis=1))[-1] + 1))
    return float(worst)
