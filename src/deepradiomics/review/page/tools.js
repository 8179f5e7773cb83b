// What the pointer and the keys do to the large view, tool by tool.
"use strict";

Review.tools = (() => {
  const { geometry } = Review;
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const look = {
    label: "Look and move", key: "v",
    down(pane, _, __, event) {
      const start = [pane.x - event.clientX, pane.y - event.clientY];
      return {
        move(_, next) {
          Object.assign(pane, { x: start[0] + next.clientX, y: start[1] + next.clientY });
          pane.place();
        },
      };
    },
    // With Shift, arrow keys move the picture; without, they go to the next one.
    press(pane, event) {
      if (!event.shiftKey || !arrows[event.key]) return false;
      Object.assign(pane, { x: pane.x - 60 * arrows[event.key][0], y: pane.y - 60 * arrows[event.key][1] });
      pane.place();
      return true;
    },
  };

  const window_ = {
    label: "Window and level", key: "w",
    down(pane, _, __, event) {
      const { level, width } = pane.view.levels, [x, y] = [event.clientX, event.clientY];
      return {
        move: (_, next) => pane.view.window(width + (next.clientX - x) / 400, level + (next.clientY - y) / 400),
      };
    },
    double: (pane) => pane.view.window(1, 0.5),
    press(pane, event) {
      if (!arrows[event.key]) return false;
      const { level, width } = pane.view.levels, [dx, dy] = arrows[event.key];
      pane.view.window(width + dx / 20, level + dy / 20);
      return true;
    },
  };

  // Put a changed box or outline in, if it lies in the image.
  function keepBox(pane, name, box) {
    const inside = geometry.boxInside(box, pane.one.width, pane.one.height);
    if (!inside) return pane.view.say("The box does not fit in the picture.");
    pane.store.setBox(pane.number, name, inside);
  }

  function changed(pane, { kind, name, part, place }, point, from) {
    if (kind === "vertex") {
      return pane.store.outlines(pane.number)[name].map((polygon, i) => i !== Number(part) ? polygon :
        polygon.map((p, j) => (j === Number(place) ? geometry.clamped(point, pane.one.width, pane.one.height) : p)));
    }
    const box = pane.store.boxes(pane.number)[name];
    if (kind === "box") return geometry.moved(box, point[0] - from[0], point[1] - from[1]);
    return kind === "turn" ? geometry.turned(box, point) : geometry.resized(box, Number(place), point);
  }

  const edit = {
    label: "Correct boxes and points", key: "e",
    down(pane, from, target) {
      const grip = { ...target.dataset };
      if (grip.outline && grip.outline !== pane.view.outline) return pane.view.setOutline(grip.outline);
      if (!["box", "corner", "turn", "vertex"].includes(grip.kind)) return look.down(...arguments);
      target.focus({ preventScroll: true });
      const rest = grip.kind === "vertex" || grip.kind === "corner" ? [from[0] - target.cx.baseVal.value, from[1] - target.cy.baseVal.value] : [0, 0];
      let end = null;
      return {
        move(point) {
          end = changed(pane, grip, [point[0] - rest[0], point[1] - rest[1]], from);
          pane.top.querySelector(".ghost")?.remove();
          pane.top.append(Review.svg("g", { class: "ghost" }, grip.kind === "vertex"
            ? end.map((polygon) => Review.svg("polygon", { points: Review.points(polygon) })) : [Review.boxElement(end, {})]));
        },
        up() {
          if (end === null) return;
          if (grip.kind === "vertex") pane.store.setOutline(pane.number, grip.name, end);
          else keepBox(pane, grip.name, end);
          pane.render();
        },
      };
    },
    // A double click on the line puts a new point there.
    double(pane, point, target) {
      if (target.dataset.kind !== "border") return;
      const name = pane.view.outline, part = Number(target.dataset.part), polygons = pane.store.outlines(pane.number)[name];
      const gap = (i) => {
        const [a, b] = [polygons[part][i], polygons[part][(i + 1) % polygons[part].length]];
        const length = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2 || 1;
        const t = Math.min(Math.max(((point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])) / length, 0), 1);
        return Math.hypot(point[0] - a[0] - t * (b[0] - a[0]), point[1] - a[1] - t * (b[1] - a[1]));
      };
      const side = polygons[part].reduce((best, _, i) => (gap(i) < gap(best) ? i : best), 0);
      pane.store.setOutline(pane.number, name, polygons.map((polygon, i) => i !== part ? polygon : polygon.toSpliced(side + 1, 0, point)));
    },
    press(pane, event) {
      const { kind, name, part, place } = event.target.dataset, step = event.shiftKey ? 10 : 1;
      if (!kind) return look.press(pane, event);
      if (arrows[event.key]) {
        const [dx, dy] = arrows[event.key].map((value) => value * step);
        const from = kind === "box" ? [0, 0] : [event.target.cx.baseVal.value, event.target.cy.baseVal.value];
        const end = changed(pane, { kind, name, part, place }, [from[0] + dx, from[1] + dy], from);
        if (kind === "vertex") pane.store.setOutline(pane.number, name, end);
        else keepBox(pane, name, end);
        return true;
      }
      if ((event.key === "[" || event.key === "]") && kind === "box") {
        const box = pane.store.boxes(pane.number)[name];
        keepBox(pane, name, { ...box, angle: box.angle + (event.key === "[" ? step : -step) });
        return true;
      }
      if (event.key === "Delete" && kind === "vertex") {
        const polygons = pane.store.outlines(pane.number)[name];
        if (polygons[part].length <= 3) pane.view.say("An outline needs three points.");
        else pane.store.setOutline(pane.number, name, polygons.map((polygon, i) => i !== Number(part) ? polygon : polygon.toSpliced(Number(place), 1)));
        return true;
      }
      return false;
    },
  };

  // A cursor for those who draw with keys: arrows move it, the space bar puts a point or paints.
  function cursorKey(pane, event, put) {
    if (event.target.dataset.kind) return false;
    const { width, height } = pane.one;
    if (arrows[event.key]) {
      const [x, y] = pane.cursor || [Math.round(width / 2), Math.round(height / 2)], step = event.shiftKey ? 10 : 1;
      pane.cursor = geometry.clamped([x + arrows[event.key][0] * step, y + arrows[event.key][1] * step], width, height);
      pane.sketch();
      return true;
    }
    if (event.key === " " && pane.cursor) {
      put(pane.cursor);
      return true;
    }
    return false;
  }

  const brush = (add) => {
    const paint = (pane, path) => {
      const { number, store } = pane, name = pane.view.outline, polygons = store.outlines(number)[name] || [];
      pane.path = [];
      if (add || polygons.length) {
        store.setOutline(number, name, geometry.brushed(polygons, path, pane.view.radius, add, pane.one.width, pane.one.height));
      }
      pane.render();
    };
    return {
      label: add ? "Brush: add" : "Brush: remove", key: add ? "b" : "x", brush: true,
      down(pane, point) {
        pane.path = [point];
        pane.sketch();
        return {
          move(next) {
            pane.path.push(next);
            pane.sketch();
          },
          up: () => paint(pane, pane.path),
        };
      },
      press: (pane, event) => cursorKey(pane, event, (point) => paint(pane, [point])),
    };
  };

  function closeDrawing(pane) {
    const path = pane.path.filter((p, i) => !i || p[0] !== pane.path[i - 1][0] || p[1] !== pane.path[i - 1][1]);
    if (path.length < 3) return pane.view.say("An outline needs three points.");
    pane.path = [];
    pane.store.setOutline(pane.number, pane.view.outline, [path]);
    pane.view.setTool("edit");
  }

  const draw = {
    label: "Draw a new outline", key: "d",
    down(pane, point) {
      const inside = geometry.clamped(point, pane.one.width, pane.one.height), [first] = pane.path;
      if (pane.path.length > 2 && Math.hypot(inside[0] - first[0], inside[1] - first[1]) < 2 * pane.reach) {
        closeDrawing(pane);
        return null;
      }
      pane.path.push(inside);
      pane.sketch();
      return null;
    },
    press(pane, event) {
      if (event.key === "Enter") {
        closeDrawing(pane);
        return true;
      }
      if (event.key === "Backspace") {
        pane.path.pop();
        pane.sketch();
        return true;
      }
      return cursorKey(pane, event, (point) => {
        pane.path.push(point);
        pane.sketch();
      });
    },
  };

  function measured(pane, from, to) {
    pane.path = [from, to];
    pane.sketch();
    pane.view.say(`Distance: ${Review.distance(pane.one, from, to)}`);
  }

  const measure = {
    label: "Measure a distance", key: "m",
    down: (pane, from) => ({ move: (to) => measured(pane, from, to) }),
    press: (pane, event) => cursorKey(pane, event, (point) => {
      if (pane.path.length === 1) return measured(pane, pane.path[0], point);
      pane.path = [point];
      pane.sketch();
    }),
  };

  return { look, window: window_, edit, add: brush(true), remove: brush(false), draw, measure };
})();

// A length in mm where the size of a pixel is known, else in pixels.
Review.distance = (one, [x0, y0], [x1, y1]) => {
  const [row, column] = one.spacing || [1, 1];
  const length = Math.hypot((x1 - x0) * column, (y1 - y0) * row);
  return one.spacing ? `${length.toFixed(1)} mm` : `${length.toFixed(1)} pixels (the size of a pixel is not known)`;
};
