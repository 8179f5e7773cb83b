// What the reviewer has decided and corrected: one entry a case, undo, kept in the browser, exported.
"use strict";

Review.Store = class {
  constructor(data) {
    this.data = data;
    this.key = `deepradiomics.review.${data.page}`;
    this.entries = {};
    this.past = [];
    this.future = [];
    this.listeners = [];
    this.kept = true;
    try {
      const stored = JSON.parse(localStorage.getItem(this.key) || "{}");
      this.entries = stored.entries || {};
      this.reviewer = stored.reviewer || "";
    } catch (error) {
      this.kept = false;
      this.reviewer = "";
    }
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  entry(number) {
    return this.entries[number] || {};
  }

  // Outlines and boxes of a case as they are now; the outline corrected last comes last and covers the others.
  outlines(number) {
    const { outlines = {} } = this.entry(number);
    const kept = Object.entries(this.data.cases[number].outlines).filter(([name]) => !(name in outlines));
    return { ...Object.fromEntries(kept), ...outlines };
  }

  boxes(number) {
    return { ...this.data.cases[number].boxes, ...this.entry(number).boxes };
  }

  change(number, change) {
    this.past.push([number, JSON.stringify(this.entry(number))]);
    this.future = [];
    this._set(number, { ...this.entry(number), ...change });
  }

  decide(number, decision, reason = "") {
    this.change(number, { decision, reason });
  }

  setOutline(number, name, polygons) {
    const { [name]: before, ...others } = this.entry(number).outlines || {};
    this.change(number, { outlines: { ...others, [name]: polygons.map((p) => p.map(Review.rounded)) } });
  }

  setBox(number, name, box) {
    const values = Object.fromEntries(Object.entries(box).map(([key, value]) => [key, Math.round(value * 1000) / 1000]));
    this.change(number, { boxes: { ...this.entry(number).boxes, [name]: values } });
  }

  // Back to what the page came with.
  restore(number) {
    const { outlines, boxes, ...rest } = this.entry(number);
    this.past.push([number, JSON.stringify(this.entry(number))]);
    this.future = [];
    this._set(number, rest);
  }

  undo() {
    return this._step(this.past, this.future);
  }

  redo() {
    return this._step(this.future, this.past);
  }

  // The number of the case whose last change was taken back, or null.
  _step(from, to) {
    const last = from.pop();
    if (!last) return null;
    to.push([last[0], JSON.stringify(this.entry(last[0]))]);
    this._set(last[0], JSON.parse(last[1]));
    return last[0];
  }

  _set(number, entry) {
    this.entries[number] = entry;
    this.save();
    this.listeners.forEach((listener) => listener(number));
  }

  save() {
    try {
      localStorage.setItem(this.key, JSON.stringify({ entries: this.entries, reviewer: this.reviewer }));
    } catch (error) {
      this.kept = false;
    }
  }

  isCorrected(number) {
    const { outlines = {}, boxes = {} } = this.entry(number);
    return Object.keys(outlines).length + Object.keys(boxes).length > 0;
  }

  counts() {
    const count = { accept: 0, reject: 0, flag: 0, corrected: 0, open: 0, all: this.data.cases.length };
    this.data.cases.forEach((_, number) => {
      count[this.entry(number).decision || "open"] += 1;
      if (this.isCorrected(number)) count.corrected += 1;
    });
    return count;
  }

  // The decisions and corrections, as `deepradiomics.review.apply` reads them.
  decisions() {
    const cases = [];
    this.data.cases.forEach((one, number) => {
      const { decision = "", reason = "", outlines = {}, boxes = {} } = this.entry(number);
      if (decision || this.isCorrected(number)) {
        cases.push({ row: one.row, image: one.image, size: [one.height, one.width], decision, reason, outlines, boxes });
      }
    });
    const known = { schema: "deepradiomics.review", version: 1, page: this.data.page, labels: this.data.labels, cases };
    return this.reviewer ? { ...known, reviewer: this.reviewer } : known;
  }

  // Put decisions in that were exported before, such as those of a sitting on another machine.
  load(content) {
    if (content.schema !== "deepradiomics.review" || content.page !== this.data.page) {
      throw new Error("This file holds the decisions of another page.");
    }
    const numbers = new Map(this.data.cases.map((one, number) => [one.row, number]));
    content.cases.forEach((one) => {
      const { decision, reason, outlines, boxes } = one;
      this._set(numbers.get(one.row), { decision, reason, outlines, boxes });
    });
    this.past = [];
    this.future = [];
  }

  // All cases as a COCO file: outlines as polygons, boxes with their angle.
  coco() {
    const names = [...new Set(this.data.cases.flatMap((_, number) =>
      [...Object.keys(this.outlines(number)), ...Object.keys(this.boxes(number))]))].sort();
    const ids = new Map(names.map((name, place) => [name, place + 1])), annotations = [];
    const add = (number, name, more) =>
      annotations.push({ id: annotations.length + 1, image_id: number + 1, category_id: ids.get(name), iscrowd: 0, ...more });
    this.data.cases.forEach((one, number) => {
      if (this.entry(number).decision === "reject") return;
      Object.entries(this.outlines(number)).forEach(([name, polygons]) => {
        if (!polygons.length) return;
        const xs = polygons.flat().map((p) => p[0]), ys = polygons.flat().map((p) => p[1]);
        const left = Math.min(...xs), top = Math.min(...ys);
        add(number, name, {
          segmentation: polygons.map((polygon) => polygon.flat()),
          bbox: [left, top, Math.max(...xs) - left, Math.max(...ys) - top],
          area: polygons.reduce((sum, polygon) => sum + Review.geometry.area(polygon), 0),
        });
      });
      Object.entries(this.boxes(number)).forEach(([name, box]) =>
        add(number, name, {
          bbox: [box.left, box.top, box.width, box.height],
          area: box.width * box.height,
          segmentation: [Review.geometry.corners(box).flat()],
          // Clockwise, as CVAT writes it.
          attributes: { rotation: (360 - box.angle) % 360 },
        }));
    });
    return {
      images: this.data.cases.map((one, number) => ({ id: number + 1, file_name: one.name, width: one.width, height: one.height })),
      categories: names.map((name) => ({ id: ids.get(name), name })),
      annotations,
    };
  }
};

Review.rounded = ([x, y]) => [Math.round(x * 1000) / 1000, Math.round(y * 1000) / 1000];

Review.download = (name, content) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content)], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
