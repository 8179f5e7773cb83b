"""Compiled loops of the projection; imported where they run, since numba takes time to load."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _side(flat, a, b, x, y):
    """On which side of the line through two corners a point lies; the same line gives the same number both ways."""
    if a < b:
        return (flat[b, 0] - flat[a, 0]) * (y - flat[a, 1]) - (flat[b, 1] - flat[a, 1]) * (x - flat[a, 0])
    return -((flat[a, 0] - flat[b, 0]) * (y - flat[b, 1]) - (flat[a, 1] - flat[b, 1]) * (x - flat[b, 0]))


@njit(cache=True, nogil=True)
def add_triangles(flat, faces, distance, length):
    """Add the signed distance of each triangle to the pixels it covers."""
    rows, columns = length.shape
    for t in range(len(faces)):
        a, b, c = faces[t]
        area = _side(flat, a, b, flat[c, 0], flat[c, 1])
        if area == 0:
            continue
        sign = 1.0 if area > 0 else -1.0
        left = max(int(np.ceil(min(flat[a, 0], flat[b, 0], flat[c, 0]))), 0)
        right = min(int(np.floor(max(flat[a, 0], flat[b, 0], flat[c, 0]))), columns - 1)
        top = max(int(np.ceil(min(flat[a, 1], flat[b, 1], flat[c, 1]))), 0)
        bottom = min(int(np.floor(max(flat[a, 1], flat[b, 1], flat[c, 1]))), rows - 1)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                e0, e1, e2 = _side(flat, b, c, j, i), _side(flat, c, a, j, i), _side(flat, a, b, j, i)
                # Exactly on an edge, the triangle that runs along it upwards in the order of corners has the pixel.
                in0 = sign * e0 > 0 or (e0 == 0 and (b < c) == (sign > 0))
                in1 = sign * e1 > 0 or (e1 == 0 and (c < a) == (sign > 0))
                in2 = sign * e2 > 0 or (e2 == 0 and (a < b) == (sign > 0))
                if in0 and in1 and in2:
                    nearness = (e0 * flat[a, 2] + e1 * flat[b, 2] + e2 * flat[c, 2]) / (e0 + e1 + e2)
                    length[i, j] += sign * (distance / nearness - distance)


@njit(cache=True, nogil=True)
def woven(x, y, angle, place, tile, step, shifts, out):
    """Read lines off a repeating tile along an angle, blended between fixed directions, where place is not 0."""
    n, n_angles = len(tile), len(shifts)
    turns = np.arange(n_angles) * np.pi / n_angles
    cosines, sines = np.cos(turns), np.sin(turns)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if place[i, j] == 0:
                out[i, j] = 0
                continue
            position = angle[i, j] / np.pi * n_angles
            first = int(np.floor(position))
            share = position - first
            total = 0.0
            for k in range(2):
                which = (first + k) % n_angles
                u = (cosines[which] * x[i, j] - sines[which] * y[i, j]) / step + shifts[which, 0]
                v = (sines[which] * x[i, j] + cosines[which] * y[i, j]) / step + shifts[which, 1]
                c, r = int(np.floor(u)), int(np.floor(v))
                s, t = u - c, v - r
                c0, r0, c1, r1 = c % n, r % n, (c + 1) % n, (r + 1) % n
                read = (1 - t) * ((1 - s) * tile[r0, c0] + s * tile[r0, c1])
                read += t * ((1 - s) * tile[r1, c0] + s * tile[r1, c1])
                total += (share if k else 1 - share) * read
            out[i, j] = total / np.sqrt(share * share + (1 - share) * (1 - share))
