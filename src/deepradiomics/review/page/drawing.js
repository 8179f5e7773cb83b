// Outlines, boxes and landmarks of a case as SVG, in pixels of the original image.
"use strict";

Review.svg = (name, attributes = {}, children = []) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...children);
  return element;
};

Review.html = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  });
  element.append(...children);
  return element;
};

// Okabe and Ito's colours, which those who do not see red or green can tell apart.
Review.colours = ["#56b4e9", "#e69f00", "#cc79a7", "#f0e442", "#009e73", "#d55e00"];

Review.colourOf = (labels, name) => {
  const place = labels.findIndex((label) => name.startsWith(label));
  return Review.colours[(place < 0 ? labels.length : place) % Review.colours.length];
};

Review.points = (points) => points.map((p) => p.join(",")).join(" ");

Review.boxElement = (box, attributes) => {
  const [x, y] = Review.geometry.centreOf(box);
  return Review.svg("rect", {
    x: box.left, y: box.top, width: box.width, height: box.height,
    transform: `rotate(${-box.angle} ${x} ${y})`, ...attributes,
  });
};

// Overlay of a case: groups of outlines, boxes and landmarks.
Review.overlay = (store, number) => {
  const one = store.data.cases[number], { svg } = Review;
  const group = (name, children) => svg("g", { class: `layer-${name}` }, children);
  const colour = (name) => Review.colourOf(store.data.labels, name);
  const outlines = Object.entries(store.outlines(number)).flatMap(([name, polygons]) =>
    polygons.map((polygon, part) =>
      svg("polygon", { points: Review.points(polygon), stroke: colour(name), "data-outline": name, "data-part": part })));
  const boxes = Object.entries(store.boxes(number)).map(([name, box]) =>
    Review.boxElement(box, { stroke: colour(name), "data-box": name, "stroke-dasharray": "6 3" }));
  const lines = one.lines.map((line) => svg("polyline", { points: Review.points(line) }));
  const found = svg("svg", { viewBox: `0 0 ${one.width} ${one.height}`, preserveAspectRatio: "none", class: "overlay" }, [
    group("outlines", outlines), group("boxes", boxes), group("landmarks", lines),
  ]);
  return found;
};
