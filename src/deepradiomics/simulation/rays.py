"""How far each ray of a cone beam runs through closed surfaces, in mm; exact, compiled."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Beam:
    """An X-ray tube and the picture it throws on the plane through the hips.

    Coordinates are those of the room in mm: x to the right of the picture, y away from the tube, z up. The picture
    is measured in the plane y = 0, so a bone in that plane has its true size.

    Parameters
    ----------
    shape : tuple of two ints
        Rows and columns.
    spacing : float
        Size of a pixel in the plane y = 0, in mm.
    corner : tuple of two floats
        x and z of the outer corner of the first pixel, in mm.
    source : tuple of three floats
        Where the tube's focus is; its y is negative.

    Examples
    --------
    >>> from deepradiomics.simulation.rays import Beam
    >>> Beam((100, 100), 1.0, (-50.0, 50.0), (0.0, -1000.0, 0.0)).pixel([[10.0, 0.0, 20.0]]).tolist()
    [[30.0, 60.0]]
    """

    shape: tuple[int, int]
    spacing: float
    corner: tuple[float, float]
    source: tuple[float, float, float]

    def flat(self, points):
        """Project points onto the plane y = 0.

        Parameters
        ----------
        points : float array of shape (n, 3)
            In mm.

        Returns
        -------
        float array of shape (n, 2)
            Their x and z in mm.

        Examples
        --------
        >>> from deepradiomics.simulation.rays import Beam
        >>> Beam((9, 9), 1.0, (0.0, 0.0), (0.0, -1000.0, 0.0)).flat([[11.0, 100.0, 22.0]]).round(6).tolist()
        [[10.0, 20.0]]
        """
        away = np.asarray(points, dtype=np.float64) - self.source
        return np.array(self.source)[[0, 2]] + away[:, [0, 2]] * (-self.source[1] / away[:, 1:2])

    def pixel(self, points):
        """Find points in the picture.

        Parameters
        ----------
        points : float array of shape (n, 3)
            In mm.

        Returns
        -------
        float array of shape (n, 2)
            Rows and columns; 0 is the outer edge of the first pixel.

        Examples
        --------
        >>> from deepradiomics.simulation.rays import Beam
        >>> Beam((9, 9), 0.5, (-5.0, 5.0), (0.0, -1000.0, 0.0)).pixel([[1.0, 0.0, 2.0]]).tolist()
        [[6.0, 12.0]]
        """
        x, z = self.flat(points).T
        return np.column_stack([self.corner[1] - z, x - self.corner[0]]) / self.spacing


def path_length(beam, vertices, faces):
    """Measure how far each ray runs inside a closed surface.

    Parameters
    ----------
    beam : Beam
        Tube and picture.
    vertices : float array of shape (n, 3)
        In mm.
    faces : int array of shape (m, 3)
        Triangles; seen from outside their corners turn one way.

    Returns
    -------
    float32 array of shape (H, W)
        In mm, at the middle of each pixel; where surfaces overlap, they add up.

    Notes
    -----
    Along a ray the distances at which it leaves the surface, less those at which it enters, are its way inside. So
    each triangle adds its distance, signed by the side it shows, to the pixels it covers; no sorting is needed. A
    pixel on an edge belongs to one of its two triangles.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.rays import Beam, path_length
    >>> corners = np.array([[x, y, z] for x in (-10, 10) for y in (-10, 10) for z in (-10, 10)], dtype=float)
    >>> quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    >>> faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    >>> beam = Beam((3, 3), 1.0, (-1.5, 1.5), (0.0, -1e5, 0.0))
    >>> path_length(beam, corners, faces).round(2).max()
    np.float32(20.0)
    """
    from deepradiomics.simulation._kernels import add_triangles

    away = np.asarray(vertices, dtype=np.float64) - beam.source
    # One over the distance is linear on the picture.
    nearness = -beam.source[1] / away[:, 1]
    flat = np.column_stack(
        [
            (beam.source[0] + away[:, 0] * nearness - beam.corner[0]) / beam.spacing - 0.5,
            (beam.corner[1] - beam.source[2] - away[:, 2] * nearness) / beam.spacing - 0.5,
            nearness,
        ]
    )
    length = np.zeros(beam.shape)
    add_triangles(flat, np.ascontiguousarray(faces, dtype=np.int64), -beam.source[1], length)
    x = beam.corner[0] + (np.arange(beam.shape[1]) + 0.5) * beam.spacing - beam.source[0]
    z = beam.corner[1] - (np.arange(beam.shape[0]) + 0.5) * beam.spacing - beam.source[2]
    oblique = np.sqrt(1 + (x**2 + z[:, None] ** 2) / beam.source[1] ** 2)
    return np.maximum(length * oblique, 0).astype(np.float32)
