// The contact sheet: all cases as small pictures, sorted and filtered.
"use strict";

Review.Sheet = class {
  constructor(store, root, open) {
    Object.assign(this, { store, root, open, shown: [], tiles: new Map() });
    this.filters = { sort: "doubt", flag: "", site: "", class: "", state: "" };
    this.watcher = new IntersectionObserver(
      (entries) => entries.forEach((entry) => entry.isIntersecting && this.fill(entry.target)), { rootMargin: "400px" });
    store.onChange((number) => this.refresh(number));
    root.addEventListener("keydown", (event) => this.moveFocus(event));
  }

  matches(number) {
    const one = this.store.data.cases[number], { flag, site, state } = this.filters, entry = this.store.entry(number);
    const states = { "": true, open: !entry.decision, corrected: this.store.isCorrected(number) };
    return (!flag || one.flags.includes(flag)) && (!site || one.site === site) &&
      (!this.filters.class || one.class === this.filters.class) &&
      (state in states ? states[state] : entry.decision === state);
  }

  show() {
    const { cases } = this.store.data;
    const by = { doubt: (a, b) => cases[b].doubt - cases[a].doubt || a - b, row: (a, b) => a - b };
    this.shown = cases.map((_, number) => number).filter((number) => this.matches(number)).sort(by[this.filters.sort]);
    this.watcher.disconnect();
    this.tiles.clear();
    this.root.replaceChildren(...this.shown.map((number) => this.tile(number)));
    this.tiles.forEach((tile) => this.watcher.observe(tile));
    if (!this.shown.length) this.root.append(Review.html("p", { class: "empty" }, "No radiograph fits these filters."));
  }

  tile(number) {
    const one = this.store.data.cases[number];
    const tile = Review.html("button", { class: "tile", "data-number": number, onclick: () => this.open(number) },
      Review.html("span", { class: "picture", style: `aspect-ratio:${one.width * one.aspect}/${one.height}` }),
      Review.html("span", { class: "words" }));
    this.tiles.set(number, tile);
    this.describe(number, tile);
    return tile;
  }

  // Picture and outlines are made when a tile comes near the window.
  fill(tile) {
    const number = Number(tile.dataset.number), place = tile.querySelector(".picture");
    if (place.childElementCount) return;
    place.append(Review.html("img", { src: this.store.data.cases[number].thumb, alt: "" }), Review.overlay(this.store, number));
  }

  describe(number, tile) {
    const one = this.store.data.cases[number], { decision } = this.store.entry(number);
    const state = { accept: "✓ accepted", reject: "✗ rejected", flag: "⚑ flagged" }[decision] || "";
    const corrected = this.store.isCorrected(number) ? "✎ " : "";
    tile.dataset.state = decision || "open";
    tile.querySelector(".words").replaceChildren(
      Review.html("b", {}, one.name), Review.html("i", {}, `${corrected}${state}`),
      Review.html("small", {}, [`doubt ${one.doubt.toFixed(2)}`, ...one.flags].join(", ").replaceAll("_", " ")));
    tile.setAttribute("aria-label", `${one.name}, doubt ${one.doubt.toFixed(2)}, ${state || "open"}`);
  }

  refresh(number) {
    const tile = this.tiles.get(number);
    if (!tile) return;
    this.describe(number, tile);
    const place = tile.querySelector(".picture");
    if (place.childElementCount) place.lastChild.replaceWith(Review.overlay(this.store, number));
  }

  // Arrow keys walk over the sheet; up and down keep to the column.
  moveFocus(event) {
    const tiles = [...this.tiles.values()], place = tiles.indexOf(document.activeElement);
    if (place < 0) return;
    const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step && tiles[place + step]) {
      tiles[place + step].focus();
      event.preventDefault();
    }
  }

  neighbour(number, step) {
    return this.shown[this.shown.indexOf(number) + step];
  }

  // The next case without a decision after this one, round the end; undefined where all are decided.
  nextOpen(number) {
    const place = this.shown.indexOf(number);
    return [...this.shown.slice(place + 1), ...this.shown.slice(0, Math.max(place, 0))].find((other) => !this.store.entry(other).decision);
  }
};
