// Plane geometry in pixels of the original image: x to the right, y down, (0, 0) the outer corner of the first pixel.
"use strict";
var Review = window.Review || {};

Review.geometry = (() => {
  const centreOf = (box) => [box.left + box.width / 2, box.top + box.height / 2];

  // Unit vectors along the width and the height of a box; its angle is counter-clockwise as the image is seen.
  function axesOf(angle) {
    const turn = (angle * Math.PI) / 180;
    return [[Math.cos(turn), -Math.sin(turn)], [Math.sin(turn), Math.cos(turn)]];
  }

  // Corners of a box, clockwise from the upper left one.
  function corners(box) {
    const [[ux, uy], [vx, vy]] = axesOf(box.angle);
    const [x, y] = centreOf(box);
    return [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([across, along]) => [
      x + (across * box.width * ux + along * box.height * vx) / 2,
      y + (across * box.width * uy + along * box.height * vy) / 2,
    ]);
  }

  const moved = (box, dx, dy) => ({ ...box, left: box.left + dx, top: box.top + dy });

  // The box whose corner of this number is pulled to a point while the opposite corner stays.
  function resized(box, number, [x, y]) {
    const [u, v] = axesOf(box.angle);
    const [ox, oy] = corners(box)[(number + 2) % 4];
    const across = (x - ox) * u[0] + (y - oy) * u[1];
    const along = (x - ox) * v[0] + (y - oy) * v[1];
    const width = Math.max(Math.abs(across), 1), height = Math.max(Math.abs(along), 1);
    const cx = ox + (u[0] * across + v[0] * along) / 2, cy = oy + (u[1] * across + v[1] * along) / 2;
    return { ...box, left: cx - width / 2, top: cy - height / 2, width, height };
  }

  // The box turned so that its upper edge looks at a point.
  function turned(box, [x, y]) {
    const [cx, cy] = centreOf(box);
    return { ...box, angle: (Math.atan2(-(x - cx), -(y - cy)) * 180) / Math.PI };
  }

  const inImage = (points, width, height) =>
    points.every(([x, y]) => x >= 0 && y >= 0 && x <= width && y <= height);

  const clamped = ([x, y], width, height) => [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];

  // A box moved back into the image; null where it does not fit.
  function boxInside(box, width, height) {
    const points = corners(box), xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const shift = (values, size) => Math.max(0, -Math.min(...values)) - Math.max(0, Math.max(...values) - size);
    const back = moved(box, shift(xs, width), shift(ys, height));
    return inImage(corners(back).map(([x, y]) => [x + 1e-9, y + 1e-9]), width + 1e-6, height + 1e-6) ? back : null;
  }

  function area(polygon) {
    let sum = 0;
    polygon.forEach(([x, y], i) => {
      const [a, b] = polygon[(i + 1) % polygon.length];
      sum += x * b - a * y;
    });
    return Math.abs(sum) / 2;
  }

  // Put the pixels whose centre lies in a polygon (even-odd rule) to a value, in a window {left, top, width, height, data}.
  function fill(window, polygon, value) {
    for (let row = 0; row < window.height; row++) {
      const middle = window.top + row + 0.5, places = [];
      polygon.forEach(([x0, y0], i) => {
        const [x1, y1] = polygon[(i + 1) % polygon.length];
        if (y0 > middle !== y1 > middle) places.push(x0 + ((middle - y0) / (y1 - y0)) * (x1 - x0));
      });
      places.sort((a, b) => a - b);
      for (let i = 0; i + 1 < places.length; i += 2) {
        const first = Math.max(Math.ceil(places[i] - 0.5 - window.left), 0);
        const end = Math.min(Math.ceil(places[i + 1] - 0.5 - window.left), window.width);
        for (let column = first; column < end; column++) window.data[row * window.width + column] = value;
      }
    }
  }

  // Put the pixels within a radius of a path to a value.
  function stroke(window, path, radius, value) {
    path.forEach(([x0, y0], i) => {
      const [x1, y1] = path[Math.min(i + 1, path.length - 1)];
      const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
      const first = Math.max(Math.floor(Math.min(y0, y1) - radius - window.top), 0);
      const end = Math.min(Math.ceil(Math.max(y0, y1) + radius - window.top), window.height);
      for (let row = first; row < end; row++) {
        for (let column = 0; column < window.width; column++) {
          const x = window.left + column + 0.5, y = window.top + row + 0.5;
          const along = length ? Math.min(Math.max(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0), 1) : 0;
          if ((x - x0 - along * (x1 - x0)) ** 2 + (y - y0 - along * (y1 - y0)) ** 2 <= radius ** 2) {
            window.data[row * window.width + column] = value;
          }
        }
      }
    });
  }

  // Outer borders of all that is set in a window, along the edges of its pixels; holes are not followed.
  function trace(window) {
    const { width, height, data, left, top } = window;
    const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && data[y * width + x];
    const seen = new Uint8Array(width * height), polygons = [];
    for (let start = 0; start < data.length; start++) {
      if (!data[start] || seen[start]) continue;
      const stack = [start];
      seen[start] = 1;
      while (stack.length) {
        const i = stack.pop(), x = i % width, y = (i - x) / width;
        for (const [a, b] of [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]]) {
          if (at(a, b) && !seen[b * width + a]) {
            seen[b * width + a] = 1;
            stack.push(b * width + a);
          }
        }
      }
      // The first pixel of a component in reading order has background above it: walk along that edge to the right.
      const sx = start % width, sy = (start - sx) / width, polygon = [];
      let x = sx, y = sy, dx = 1, dy = 0;
      do {
        polygon.push([x + left, y + top]);
        x += dx;
        y += dy;
        // The pixels to the left and to the right ahead, as one walks with the bone on the right.
        const ahead = (side) => at(x + (dx + side * dy - 1) / 2, y + (dy - side * dx - 1) / 2);
        if (!ahead(-1)) [dx, dy] = [-dy, dx];
        else if (ahead(1)) [dx, dy] = [dy, -dx];
      } while (x !== sx || y !== sy || dx !== 1);
      polygons.push(polygon);
    }
    return polygons;
  }

  // Douglas and Peucker's polygon: no point of the given one lies further than the tolerance from it.
  function simplified(polygon, tolerance) {
    const distance = ([x, y], [x0, y0], [x1, y1]) => {
      const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
      const t = length ? Math.min(Math.max(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0), 1) : 0;
      return Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
    };
    const far = polygon.reduce((best, p, i) =>
      Math.hypot(p[0] - polygon[0][0], p[1] - polygon[0][1]) >
      Math.hypot(polygon[best][0] - polygon[0][0], polygon[best][1] - polygon[0][1]) ? i : best, 0);
    const points = [...polygon, polygon[0]], keep = new Set([0, far]), stack = [[0, far], [far, polygon.length]];
    while (stack.length) {
      const [from, to] = stack.pop();
      let worst = 0, place = -1;
      for (let i = from + 1; i < to; i++) {
        const gap = distance(points[i], points[from], points[to]);
        if (gap > worst) [worst, place] = [gap, i];
      }
      if (worst > tolerance) {
        keep.add(place);
        stack.push([from, place], [place, to]);
      }
    }
    return [...keep].sort((a, b) => a - b).map((i) => polygon[i]);
  }

  // The polygons of an outline after a brush was drawn over it.
  function brushed(polygons, path, radius, add, width, height) {
    const points = [...polygons.flat(), ...(add ? path : [])];
    const margin = Math.ceil(radius) + 1, xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const left = Math.max(Math.floor(Math.min(...xs)) - margin, 0), top = Math.max(Math.floor(Math.min(...ys)) - margin, 0);
    const right = Math.min(Math.ceil(Math.max(...xs)) + margin, width);
    const bottom = Math.min(Math.ceil(Math.max(...ys)) + margin, height);
    const window = { left, top, width: right - left, height: bottom - top };
    window.data = new Uint8Array(window.width * window.height);
    polygons.forEach((polygon) => fill(window, polygon, 1));
    stroke(window, path, radius, add ? 1 : 0);
    return trace(window).filter((polygon) => area(polygon) >= 12).map((polygon) => simplified(polygon, 0.75));
  }

  return { area, axesOf, boxInside, brushed, centreOf, clamped, corners, fill, inImage, moved, resized, simplified, stroke, trace, turned };
})();
