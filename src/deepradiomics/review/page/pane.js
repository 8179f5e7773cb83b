// One radiograph in large: picture, overlay, zoom; what the pointer and the keys do is up to the tool.
"use strict";

Review.Pane = class {
  constructor(store, view) {
    Object.assign(this, { store, view, number: null, scale: 1, x: 0, y: 0, path: [], cursor: null });
    this.image = Review.html("img", { alt: "", draggable: "false" });
    this.stage = Review.html("div", { class: "stage" }, this.image);
    this.root = Review.html("div", { class: "pane", tabindex: "0" }, this.stage);
    this.root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.down(event));
    this.root.addEventListener("contextmenu", (event) => event.preventDefault());
    this.root.addEventListener("dblclick", (event) => this.tool.double?.(this, this.toImage(event), event.target));
    new ResizeObserver(() => this.number !== null && this.place()).observe(this.root);
  }

  get tool() {
    return Review.tools[this.view.tool];
  }

  get one() {
    return this.store.data.cases[this.number];
  }

  show(number, part = null) {
    Object.assign(this, { number, path: [], cursor: null });
    this.image.src = this.one.picture;
    this.render();
    this.fit(part);
  }

  // Zoom so that the case, or the outline of a name, fills the pane.
  fit(name = null) {
    const { width, height, aspect } = this.one, box = this.root.getBoundingClientRect();
    const points = name ? (this.store.outlines(this.number)[name] || []).flat() : [];
    const xs = points.length ? points.map((p) => p[0]) : [0, width], ys = points.length ? points.map((p) => p[1]) : [0, height];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const share = points.length ? 0.85 : 1;
    this.scale = share * Math.min(box.width / ((right - left) * aspect), box.height / (bottom - top));
    this.x = box.width / 2 - ((left + right) / 2) * aspect * this.scale;
    this.y = box.height / 2 - ((top + bottom) / 2) * this.scale;
    this.place();
  }

  place() {
    const { width, height, aspect } = this.one, { style } = this.stage;
    style.width = `${width * aspect * this.scale}px`;
    style.height = `${height * this.scale}px`;
    style.transform = `translate(${this.x}px, ${this.y}px)`;
    this.image.style.imageRendering = this.scale > 4 ? "pixelated" : "auto";
    this.stage.querySelectorAll("circle.handle").forEach((handle) => handle.setAttribute("r", this.reach));
  }

  // Radius of a handle in pixels of the image.
  get reach() {
    return 5 / this.scale;
  }

  zoom(factor, clientX, clientY) {
    const box = this.root.getBoundingClientRect();
    const x = (clientX ?? box.left + box.width / 2) - box.left, y = (clientY ?? box.top + box.height / 2) - box.top;
    const scale = Math.min(Math.max(this.scale * factor, 0.02), 40), ratio = scale / this.scale;
    Object.assign(this, { scale, x: x - (x - this.x) * ratio, y: y - (y - this.y) * ratio });
    this.place();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 500), event.clientX, event.clientY);
  }

  toImage(event) {
    const box = this.stage.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.one.width, ((event.clientY - box.top) / box.height) * this.one.height];
  }

  toScreen([x, y]) {
    const box = this.stage.getBoundingClientRect();
    return [box.left + (x / this.one.width) * box.width, box.top + (y / this.one.height) * box.height];
  }

  // Pointer: the right button and the Shift key set window and level in every tool, the middle button moves the picture.
  down(event) {
    this.root.focus({ preventScroll: true });
    this.view.active = this;
    const tool = event.button === 2 || event.shiftKey ? Review.tools.window : event.button === 1 ? Review.tools.look : this.tool;
    const drag = tool.down(this, this.toImage(event), event.target, event);
    if (!drag) return;
    event.preventDefault();
    this.root.setPointerCapture(event.pointerId);
    const move = (next) => drag.move(this.toImage(next), next);
    const up = (next) => {
      this.root.removeEventListener("pointermove", move);
      drag.up?.(this.toImage(next), next);
    };
    this.root.addEventListener("pointermove", move);
    this.root.addEventListener("pointerup", up, { once: true });
  }

  render() {
    const focused = document.activeElement?.dataset?.handle, inside = this.root.contains(document.activeElement);
    this.overlay?.remove();
    this.overlay = Review.overlay(this.store, this.number);
    this.top = Review.svg("g", { class: "layer-tools" });
    this.overlay.append(this.top);
    this.stage.append(this.overlay);
    if (this.view.tool === "edit") this.handles();
    this.sketch();
    if (focused && inside) this.overlay.querySelector(`[data-handle="${focused}"]`)?.focus({ preventScroll: true });
  }

  // What can be pulled: corners and the turning point of each box, the vertices of the chosen outline.
  handles() {
    const circle = ([x, y], kind, name, part, place, label) => Review.svg("circle", {
      cx: x, cy: y, r: this.reach, class: `handle ${kind}`, tabindex: 0, role: "button", "aria-label": label,
      "data-kind": kind, "data-name": name, "data-part": part, "data-place": place, "data-handle": [kind, name, part, place].join("/"),
    });
    Object.entries(this.store.boxes(this.number)).forEach(([name, box]) => {
      const [x, y] = Review.geometry.centreOf(box), up = Review.geometry.axesOf(box.angle)[1];
      const away = box.height / 2 + 22 / this.scale, knob = [x - up[0] * away, y - up[1] * away];
      const grip = Review.boxElement(box, { class: "grip", tabindex: 0, "data-kind": "box", "data-name": name, "data-handle": `box/${name}`, "aria-label": `box ${name}` });
      grip.append(Review.svg("title", {}, [name.replaceAll("_", " ")]));
      this.top.append(Review.svg("g", { class: "of-box" }, [grip,
        Review.svg("line", { x1: x - (up[0] * box.height) / 2, y1: y - (up[1] * box.height) / 2, x2: knob[0], y2: knob[1], class: "stem" }),
        circle(knob, "turn", name, "", "", `turn box ${name}`),
        ...Review.geometry.corners(box).map((point, place) => circle(point, "corner", name, "", place, `corner of box ${name}`))]));
    });
    (this.store.outlines(this.number)[this.view.outline] || []).forEach((polygon, part) => {
      this.top.append(Review.svg("polygon", { points: Review.points(polygon), class: "border", "data-kind": "border", "data-part": part }));
      polygon.forEach((point, place) => this.top.append(circle(point, "vertex", this.view.outline, part, place, `point ${place + 1} of ${this.view.outline}`)));
    });
  }

  // What is being drawn: the points so far, and the cursor of the keyboard.
  sketch() {
    this.top.querySelectorAll(".sketch").forEach((element) => element.remove());
    const size = this.tool.brush ? 2 * this.view.radius : 0;
    if (this.path.length) {
      const line = Review.svg("polyline", { points: Review.points(this.path), class: `sketch ${size ? "paint" : ""}` });
      if (size) line.style.strokeWidth = size;
      this.top.append(line);
    }
    if (!size) this.path.forEach(([x, y]) => this.top.append(Review.svg("circle", { cx: x, cy: y, r: this.reach * 0.7, class: "sketch point" })));
    if (this.cursor) {
      const [x, y] = this.cursor, r = size / 2 || this.reach * 2;
      this.top.append(Review.svg("circle", { cx: x, cy: y, r, class: "sketch cursor" }),
        Review.svg("path", { d: `M${x - r * 2} ${y}H${x + r * 2}M${x} ${y - r * 2}V${y + r * 2}`, class: "sketch cursor" }));
    }
  }
};
