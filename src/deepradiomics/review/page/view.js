// The large view: one or two panes, decisions, layers, tools, measures.
"use strict";

Review.View = class {
  constructor(store, sheet, root, say) {
    Object.assign(this, { store, sheet, root, say, tool: "look", radius: 8, beside: false, number: null });
    this.levels = { level: 0.5, width: 1, invert: false };
    this.outline = store.data.labels[0];
    this.panes = [new Review.Pane(store, this), new Review.Pane(store, this)];
    [this.active] = this.panes;
    root.querySelector(".panes").append(...this.panes.map((pane) => pane.root));
    this.buttons();
    store.onChange((number) => {
      if (this.number === null) return;
      this.panes.forEach((pane) => pane.number === number && pane.render());
      this.describe();
    });
  }

  get isOpen() {
    return this.number !== null;
  }

  buttons() {
    const { html } = Review;
    const fill = (place, ...children) => this.root.querySelector(place).replaceChildren(...children);
    fill(".tools", ...Object.entries(Review.tools).map(([name, tool]) =>
      html("button", { "data-tool": name, onclick: () => { this.setTool(name); this.active.root.focus(); } }, html("kbd", {}, tool.key), ` ${tool.label}`)));
    fill(".layers", ...[["outlines", "o"], ["boxes", "k"], ["landmarks", "l"]].map(([name, key]) =>
      html("button", { "data-layer": name, "aria-pressed": "true", onclick: () => { this.toggle(name); this.active.root.focus(); } }, html("kbd", {}, key), ` ${name}`)),
      html("button", { "data-layer": "invert", "aria-pressed": "false", onclick: () => { this.toggle("invert"); this.active.root.focus(); } }, html("kbd", {}, "i"), " invert"),
      html("button", { "data-layer": "beside", "aria-pressed": "false", onclick: () => { this.toggle("beside"); this.active.root.focus(); } }, html("kbd", {}, "s"), " side by side"));
    const select = html("select", { "aria-label": "outline", onchange: (event) => this.setOutline(event.target.value) },
      ...this.store.data.labels.map((name) => html("option", { value: name }, name)));
    this.root.querySelector(".layers").after(html("p", { class: "legend" }, ...this.store.data.labels.map((name) =>
      html("span", { style: `--ink: ${Review.colourOf(this.store.data.labels, name)}` }, name.replaceAll("_", " ")))));
    const radius = html("input", { type: "range", min: 1, max: 60, value: this.radius, "aria-label": "radius of the brush in pixels",
      oninput: (event) => { this.radius = Number(event.target.value); } });
    fill(".choice", html("label", {}, "Outline ", select), html("label", {}, "Brush ", radius),
      html("button", { onclick: () => this.store.restore(this.number) }, "Drop the corrections"));
    this.select = select;
  }

  open(number) {
    this.number = number;
    this.root.hidden = false;
    document.body.classList.add("large");
    this.layout();
    this.describe();
    this.setTool(this.tool);
    this.panes[0].root.focus({ preventScroll: true });
  }

  close() {
    const { number } = this;
    this.number = null;
    this.root.hidden = true;
    document.body.classList.remove("large");
    this.sheet.show();
    this.sheet.tiles.get(number)?.focus();
  }

  // Beside a case stands another of its group, such as the other view; without one, its left and right are shown large.
  layout() {
    const { cases } = this.store.data, { group } = cases[this.number];
    const other = group === null ? -1 : cases.findIndex((one, number) => one.group === group && number !== this.number);
    const outlines = Object.entries(this.store.outlines(this.number)).filter(([, polygons]) => polygons.length);
    const sides = outlines.sort(([, a], [, b]) => a[0][0][0] - b[0][0][0]).map(([name]) => name);
    this.panes[1].root.hidden = !this.beside;
    const both = this.beside && other < 0 && sides.length > 1;
    this.panes[0].show(this.number, both ? sides[0] : null);
    if (this.beside) this.panes[1].show(other < 0 ? this.number : other, both ? sides[1] : null);
  }

  describe() {
    const one = this.store.data.cases[this.number], { html } = Review, { decision, reason } = this.store.entry(this.number);
    const rows = [["Doubt", one.doubt.toFixed(2)], ...Object.entries(one.measures), ["Flags", one.flags.join(", ").replaceAll("_", " ") || "none"]];
    if (one.site) rows.push(["Site", one.site]);
    if (one.class) rows.push(["Class", one.class]);
    Object.entries(this.store.boxes(this.number)).forEach(([name, box]) => {
      const [row, column] = one.spacing || [1, 1], unit = one.spacing ? "mm" : "pixels";
      rows.push([name, `${(box.width * column).toFixed(1)} × ${(box.height * row).toFixed(1)} ${unit}, ${box.angle.toFixed(0)}°`]);
    });
    const count = this.store.counts();
    this.root.querySelector(".name").textContent = `${one.name} (${count.all - count.open} of ${count.all} decided)`;
    this.root.querySelector(".verdict").textContent = decision ? `${decision}${reason ? `: ${reason}` : ""}` : "no decision yet";
    this.root.querySelector(".verdict").dataset.state = decision || "open";
    this.root.querySelector(".measures").replaceChildren(...rows.map(([name, value]) =>
      html("tr", {}, html("th", {}, name.replaceAll("_", " ")), html("td", {}, String(value)))));
  }

  setTool(name) {
    this.tool = name;
    this.root.dataset.tool = name;
    this.root.querySelectorAll("[data-tool]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === name));
    this.panes.forEach((pane) => {
      if (pane.number === null) return;
      Object.assign(pane, { path: [], cursor: null });
      pane.render();
    });
  }

  setOutline(name) {
    this.outline = name;
    this.select.value = name;
    this.setTool(this.tool);
  }

  setLevels(change) {
    Object.assign(this.levels, change);
    const { level, width, invert } = this.levels, sign = invert ? -1 : 1, slope = sign / width;
    const intercept = (invert ? 1 : 0) - (sign * (level - width / 2)) / width;
    document.querySelectorAll("#levels feFuncR, #levels feFuncG, #levels feFuncB").forEach((element) => {
      element.setAttribute("slope", slope);
      element.setAttribute("intercept", intercept);
    });
  }

  window(width, level) {
    const [w, l] = [Math.min(Math.max(width, 0.02), 2), Math.min(Math.max(level, 0), 1)];
    this.setLevels({ width: w, level: l });
    this.say(`Window ${Math.round(w * 100)} %, level ${Math.round(l * 100)} % of the gray values`);
  }

  toggle(name) {
    const button = this.root.querySelector(`[data-layer="${name}"]`), on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    if (name === "invert") this.setLevels({ invert: on });
    else if (name === "beside") {
      this.beside = on;
      this.layout();
    } else this.root.classList.toggle(`no-${name}`, !on);
  }

  decide(decision, reason = "") {
    this.store.decide(this.number, decision, reason);
    const next = this.sheet.nextOpen(this.number);
    if (next === undefined) this.say("Every radiograph of this selection has a decision. Export them before you close the page.");
    else this.open(next);
  }

  step(by) {
    const next = this.sheet.neighbour(this.number, by);
    if (next !== undefined) this.open(next);
  }
};
