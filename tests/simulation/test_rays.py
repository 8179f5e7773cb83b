"""Ways of rays through surfaces whose answer is known, and the bones of the shape model."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from deepradiomics.simulation.rays import Beam, path_length
from deepradiomics.simulation.skeleton import draw_skeleton, sphere_through


def ball(radius, middle, n=4000):
    """A closed surface of triangles that point outwards, near a sphere: vertices and faces."""
    turn = np.arange(n) * np.pi * (3 - np.sqrt(5))
    z = 1 - 2 * (np.arange(n) + 0.5) / n
    points = np.column_stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z])
    faces = ConvexHull(points).simplices
    a, b, c = (points[faces[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return radius * points + middle, faces


@pytest.mark.parametrize("middle", [(0.0, 0.0, 0.0), (31.0, 55.0, -20.0), (-60.0, -120.0, 44.0)])
def test_a_ball_is_crossed_as_far_as_geometry_says(middle):
    beam = Beam((140, 150), 2.0, (-150.0, 140.0), (12.0, -1000.0, -9.0))
    rows, columns = np.mgrid[:140, :150] + 0.5
    pixels = np.stack([-150 + 2 * columns, np.zeros((140, 150)), 140 - 2 * rows], axis=-1)
    ray = pixels - beam.source
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    away = np.linalg.norm(np.cross(ray, np.subtract(middle, beam.source)), axis=-1)
    expected = 2 * np.sqrt(np.maximum(25.0**2 - away**2, 0))
    found = path_length(beam, *ball(25.0, middle))
    assert np.abs(found - expected).mean() < 0.02
    assert np.abs(found - expected)[away < 24].max() < 0.15


def test_pixels_on_edges_and_corners_are_counted_once():
    """A cube whose edges and diagonals run through the middles of pixels, seen from far away."""
    corners = np.array([[x, y, z] for x in (-8, 8) for y in (-8, 8) for z in (-8, 8)], dtype=float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    found = path_length(Beam((33, 33), 1.0, (-16.5, 16.5), (0.0, -1e7, 0.0)), corners, faces)
    inside = found[9:24, 9:24]
    assert np.allclose(inside, 16, atol=1e-3)
    assert found[:8].max() == found[:, 25:].max() == 0


def test_bones_of_the_model_are_closed_and_enclose_what_a_bone_does():
    skeleton = draw_skeleton(np.random.default_rng(1))
    beam = Beam((700, 500), 1.0, (-250.0, 200.0), (0.0, -1e6, 0.0))
    for femur in skeleton.femora.values():
        a, b, c = (femur.vertices[femur.faces[:, k]] for k in range(3))
        volume = (np.cross(a, b) * c).sum() / 6
        assert 3e5 < volume < 8e5
        assert path_length(beam, femur.vertices, femur.faces).sum() == pytest.approx(volume, rel=0.003)


def test_heads_lie_in_their_sockets_level_with_each_other():
    femora = draw_skeleton(np.random.default_rng(3)).femora
    left, right = (femora[side].head[0] for side in ("left", "right"))
    assert left[0] > 0 > right[0]
    assert np.allclose((left + right) / 2, 0, atol=1e-6)
    assert left[2] == pytest.approx(right[2], abs=1e-6)
    points = np.random.default_rng(0).normal(size=(50, 3))
    points = 7 * points / np.linalg.norm(points, axis=1, keepdims=True) + (1, 2, 3)
    assert np.allclose(np.append(*sphere_through(points)), (1, 2, 3, 7))


@pytest.mark.parametrize(("legs", "axis", "sign"), [((30, 0, 0), 1, -1), ((0, 0, 25), 0, 1)])
def test_a_flexed_leg_comes_forwards_and_an_abducted_one_goes_outwards(legs, axis, sign):
    """The tube, and so the patient's front, has a negative y; outwards is away from the midline."""
    for side, outwards in (("left", 1), ("right", -1)):
        neutral, moved = (
            draw_skeleton(np.random.default_rng(0), legs={"left": pose, "right": pose}).femora[side].shaft[-1]
            for pose in ((0, 0, 0), legs)
        )
        assert (moved - neutral)[axis] * sign * (outwards if axis == 0 else 1) > 20
