"""Read the letter R or L that tells which side of the patient a film shows."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

_SIDE, _LONGEST = 20, 1024  # pixels of the square in which glyphs are compared; of a film, a finer one is made coarser
_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono-Bold.ttf")
# Least likeness (correlation), lead on other letters and numbers, contrast as a share of the film's range; chosen on
# 139 films. An L is a mere corner, so more is asked of it, and in mirror writing it is no proof of anything.
_LEAST = {"R": (0.85, 0.18, 0.12), "L": (0.94, 0.18, 0.2)}


def side_markers(pixels):
    """Read the letters R and L that were exposed on a film or burnt into it.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Gray values.

    Returns
    -------
    list of tuple
        ``(letter, mirrored, row, column)`` of those that stand alone and are sure, the surest first; often none.
        ``mirrored`` is True for mirror writing; row and column are the middle, in pixels.

    Notes
    -----
    Areas of one piece, bright or dark, of 1.2 to 10 % of the film's longer side in height, are looked for at 12 gray
    levels. One that stands out from what is next to it, and has no other area of its height beside it, is compared
    with letters and numbers in three fonts and three widths of stroke (correlation in a square of 20 x 20 pixels), and
    with R and L in mirror writing. An R must have one hole, an L none. Turned letters and words are not read; a bright
    corner of a plate or collimator is read as an L. A gray level with more than 5000 areas, or 200 of the size of a
    letter, is noise, and nothing is read there; nor in an image of fewer than 8 pixels in height or width.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image, ImageDraw
    >>> from deepradiomics.quality import side_markers
    >>> film = Image.fromarray(np.tile(np.linspace(0, 120, 300), (400, 1)).astype(np.uint8))
    >>> ImageDraw.Draw(film).text((30, 40), "L", fill=255, font_size=30)
    >>> [(letter, mirrored) for letter, mirrored, row, column in side_markers(np.asarray(film))]
    [('L', False)]
    """
    pixels = np.asarray(pixels, dtype=np.float32)
    coarser = max(1.0, max(pixels.shape) / _LONGEST)
    if min(pixels.shape) / coarser < 8:
        return []
    if coarser > 1:
        size = [round(length / coarser) for length in pixels.shape[::-1]]
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    names, glyphs = _glyphs()
    kinds, found = np.unique(names), []
    for area, row, column, contrast, alone in _areas(pixels):
        likeness = glyphs @ _squared(area)
        likeness = np.array([likeness[names == kind].max() for kind in kinds])
        second, first = np.argsort(likeness)[-2:]
        kind, score, lead = kinds[first], likeness[first], likeness[first] - likeness[second]
        holes = ndimage.label(~np.pad(area, 1))[0]
        n_holes = (np.bincount(holes.ravel())[2:] >= max(2, 0.01 * area.size)).sum()
        if n_holes == (kind[0] == "R") and all(np.array([score, lead, contrast]) >= _LEAST.get(kind[0], np.inf)):
            found.append((alone, -score, (str(kind[0]), kind[1:] == "~", row * coarser, column * coarser)))
    # The same letter is found at several gray levels; one that is part of a word at any of them is none.
    near, kept = 0.03 * max(pixels.shape) * coarser, []
    for alone, _, marker in sorted(found):
        if all(abs(marker[2] - old[2]) + abs(marker[3] - old[3]) > near for _, old in kept):
            kept.append((alone, marker))
    return [marker for alone, marker in kept if alone]


def _contradicts(markers, femora, laterality, width):
    """Whether an R is in mirror writing, or a letter of another side than the femur it stands at.

    ``femora``: mean column of each that is seen, by "L" and "R". The hip that is not seen may be a prosthesis.
    """
    for letter, mirrored, _, column in markers:
        other = {"L": "R", "R": "L"}[letter]
        if len(femora) == 2:
            wrong = abs(column - femora[letter]) - abs(column - femora[other]) > 0.1 * width
        else:
            near = all(abs(column - place) < 0.25 * width for place in femora.values())
            wrong = near and (laterality or next(iter(femora), None)) == other
        if wrong or (mirrored and letter == "R"):
            return True
    return False


def _areas(pixels):
    """Yield what may be a letter: bool (h, w), row and column of its middle, contrast, whether it stands alone."""
    low, high = np.percentile(pixels, (0.5, 99.5))
    span = max(high - low, 1e-6)
    for level, sign in [(level, sign) for level in np.linspace(low, high, 14)[1:-1] for sign in (1, -1)]:
        values = sign * pixels
        labels, n_areas = ndimage.label(values > sign * level, np.ones((3, 3)))
        if n_areas > 5000:  # noise; 28 films had up to 1911
            continue
        corners = [(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)]
        tops, bottoms, lefts, rights = np.reshape(corners, (n_areas, 4)).T
        heights, widths, longest = bottoms - tops, rights - lefts, max(pixels.shape)
        fit = (heights >= max(8, 0.012 * longest)) & (heights <= 0.1 * longest) & (widths >= 6)
        fit &= (widths <= 1.35 * heights) & (widths >= 0.35 * heights)
        for place in np.flatnonzero(fit) if fit.sum() <= 200 else ():  # noise; 43 films had up to 63
            top, bottom, left, right, height = (part[place] for part in (tops, bottoms, lefts, rights, heights))
            around = slice(max(0, top - 3), bottom + 3), slice(max(0, left - 3), right + 3)
            area = labels[around] == place + 1
            ring = ndimage.binary_dilation(area, iterations=3) & ~ndimage.binary_dilation(area)
            inside = labels[top:bottom, left:right] == place + 1
            if not ring.any() or not 0.15 <= inside.mean() <= 0.75:
                continue
            bright, beside = np.percentile(values[around][area], 25), np.percentile(values[around][ring], 85)
            if bright - beside < 0.1 * span:
                continue
            # Letters of a word stand beside each other, and are about as high.
            gaps = np.maximum(left, lefts) - np.minimum(right, rights)
            like = (heights > 0.6 * height) & (heights < 1.6 * height) & (widths < 2 * height)
            level_with = np.minimum(bottom, bottoms) - np.maximum(top, tops) > height / 2
            word = like & level_with & (gaps >= 0) & (gaps < height)
            yield inside, (top + bottom) / 2, (left + right) / 2, (bright - beside) / span, not word.any()


def _squared(area):
    """Shape (h, w) in a square of its own, as a vector of mean 0 and length 1."""
    how = Image.Resampling.BOX if min(area.shape) >= _SIDE else Image.Resampling.BILINEAR
    square = np.asarray(Image.fromarray(area.astype(np.uint8) * 255).resize((_SIDE, _SIDE), how), dtype=float)
    square = ndimage.gaussian_filter(square, 0.7).ravel()
    square -= square.mean()
    return square / max(np.linalg.norm(square), 1e-9)


@lru_cache(maxsize=1)
def _glyphs():
    """Names of letters and numbers, "~" behind those in mirror writing, and their squares (n, 400)."""
    from matplotlib import get_data_path

    found = []
    for name in _FONTS:
        font = ImageFont.truetype(str(Path(get_data_path(), "fonts/ttf", name)), 64)
        for letter in "ABCDEFGHIKLMNOPQRSTUVWXYZ0123456789":  # no J, which is an L in mirror writing
            picture = Image.new("L", (128, 128))
            ImageDraw.Draw(picture).text((20, 20), letter, fill=255, font=font)
            drawn = np.asarray(picture) > 127
            widths = drawn, ndimage.binary_erosion(drawn, iterations=2), ndimage.binary_dilation(drawn, iterations=3)
            for shape in widths:
                if ndimage.label(shape)[1] == 1:
                    own = shape[ndimage.find_objects(shape.astype(np.uint8))[0]]
                    found += [(letter, own)] + [(f"{letter}~", own[:, ::-1])] * (letter in "LR")
    return np.array([name for name, _ in found]), np.stack([_squared(own) for _, own in found])
